-- Sends all streams to other servers through natter. For Prosody 0.12 and 13.
--
--     modules_enabled = { …; "dialback"; "s2s_natter" }
--     natter_address = "127.0.0.1"   -- federation.listen in natter.json
--     natter_port = 5270
--
-- With mod_smacks streams between servers count their stanzas too (XEP-0198).
--
-- Prosody resolves the name of the other server, and there is no option for another way. So
-- the answer to that question is always natter.
module:set_global();

local function load(name)
	local found, lib = pcall(require, "prosody." .. name); -- 13
	return found and lib or require(name);
end

local service = load("net.resolvers.service");
local manual = load("net.resolvers.manual");

local address = module:get_option_string("natter_address", "127.0.0.1");
local port = module:get_option_number("natter_port", 5270);
local kind = address:find(":", 1, true) and "tcp6" or "tcp4";

local original = service.new;

function service.new(host, name, ...)
	if name == "xmpp-server" then
		return manual.new({ { kind, address, port, {} } });
	elseif name == "xmpps-server" then
		return manual.new({});
	end
	return original(host, name, ...);
end

-- mod_smacks offers to count, and looks whether the other server does, in the features of streams
-- that are authenticated already. With dialback that comes after the features.
local loaded = load("core.modulemanager").is_loaded;
local xmlns_sm = "urn:xmpp:sm:3";

function module.add_host(module)
	local function counts()
		return loaded(module.host, "smacks") and module:get_option_boolean("smacks_enabled_s2s", true);
	end
	module:hook("s2s-stream-features", function (event)
		if event.origin.type == "s2sin_unauthed" and counts() then
			event.features:tag("sm", { xmlns = xmlns_sm }):tag("optional"):up():up();
		end
	end);
	module:hook("stanza/http://etherx.jabber.org/streams:features", function (event)
		if event.origin.type == "s2sout_unauthed" and counts() then
			event.origin.smacks_feature = event.stanza:get_child("sm", xmlns_sm);
		end
	end, 200);
end

function module.unload()
	service.new = original;
end
