-- Sends all streams to other servers through natter. For Prosody 0.12 and 13.
--
--     modules_enabled = { …; "dialback"; "s2s_natter" }
--     natter_address = "127.0.0.1"   -- federation.listen in natter.json
--     natter_port = 5270
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

function module.unload()
	service.new = original;
end
