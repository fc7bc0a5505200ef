# make run      the page and a trial server on http://localhost:8080 (ADDR=host:port)
# make test     everything; installs what it lacks where it may
# make quick    what needs neither a browser nor a real server, in under 90 seconds
# make bundle   the page for any static host, in dist/
# make prove    that nothing is lost when networks, pages and servers fail; takes two hours
# make federation  two Prosodys talk through two gateways over wss; PEER=xmpp-proxy puts that at one side
# make natter   the server with the page in it, for a real deployment

GO ?= go
ADDR ?= localhost:8080
FUZZTIME ?= 60s
STATICCHECK = .tools/staticcheck

# What goes into the page is compiled, vetted and tested as WebAssembly too. Node
# has no DOM, so packages that need one are tested in Chromium (wasm/e2e).
JS = GOOS=js GOARCH=wasm
JSTESTS = ./framing ./app/jid/... ./app/state/... ./app/store/... ./app/connect/... ./app/stream/... ./app/feature/...
NODE = $$($(GO) env GOROOT)/lib/wasm/go_js_wasm_exec

export GO

# Without C the binary runs on any Linux, a container made of nothing among them. Tests are built
# the same way, so that one compilation serves both.
export CGO_ENABLED = 0

.PHONY: all run natter bundle test quick federation install embedded checked scripts page prove prove/chaos prove/client prove/e2e prove/server prove/store check bench bench/go bench/page bench-server size fuzz conformance clean
all: natter

# Compressed quickly: on this machine nobody waits for the network.
run:
	@echo "Building Natter; the first time takes a minute or two."
	@$(GO) run ./web/build -out web/bundle -level fast
	@$(GO) build -o natter ./server
	@ADDR=$(ADDR) exec ./natter

natter:
	$(GO) run ./web/build -out web/bundle
	$(GO) build -trimpath -o natter ./server

bundle:
	$(GO) run ./web/build -out dist

# The machine is made ready beside what only computes: the one waits for the network, the other for
# processors. Then come the tests. The last line is their count, after which rules they show to hold.
test:
	@$(MAKE) -j3 --output-sync=target install checked page
	$(GO) run ./app/xmpptest/conformance

# -short leaves out what talks to a real server; there is little else in wasm/e2e.
quick:
	$(GO) test -short -parallel 8 $$($(GO) list ./... | grep -v /wasm/e2e)

# The frames are those of one gateway; keys of dialback are left out. xmpp-proxy is sought where
# XMPP_PROXY says, and built with cargo if it is not there (XMPP_PROXY_SOURCE is its source).
XMPP_PROXY ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/natter-test/xmpp-proxy/bin/xmpp-proxy

federation: $(if $(PEER),$(XMPP_PROXY))
	XMPP_PROXY=$(if $(PEER),$(XMPP_PROXY)) $(GO) test -count=1 -v -timeout 5m $(if $(PEER),-tags xmppproxy) -run '^TestFederation_$(if $(PEER),XMPPProxy,Prosody)$$' ./server/gateway

$(XMPP_PROXY):
	cargo install --locked --root $(dir $(@D)) --no-default-features --features $(PROXYFEATURES) $(if $(XMPP_PROXY_SOURCE),--path $(XMPP_PROXY_SOURCE),xmpp-proxy@1.1.0)

PROXYFEATURES = c2s-incoming,c2s-outgoing,s2s-incoming,s2s-outgoing,tls,tls-ca-roots-native,tls-ring,websocket,logging

install:
	.ci/install

embedded:
	$(GO) run ./web/build -out web/bundle -level fast

checked: embedded
	$(MAKE) check

page: embedded
	$(JS) $(GO) test -vet=off -exec="$(NODE)" $$($(JS) $(GO) list -f '{{if .TestGoFiles}}{{.ImportPath}}{{end}}{{if .XTestGoFiles}} {{.ImportPath}}{{end}}' $(JSTESTS))
	$(MAKE) size

# Three packages at a time beside each other, for they mostly wait. Figures and failures are printed as
# they come and once more, sorted, at the end; all else is in prove/*.log. How to read them:
# app/xmpptest/chaos/doc.go.
prove:
	@rm -rf prove && mkdir prove
	@$(MAKE) -skj3 prove/chaos prove/client prove/e2e prove/server prove/store; failed=$$?; \
	printf '\nmake prove:\n'; $(FIGURES) prove/*.log | sort -Vu; exit $$failed

FIGURES = sed -unE 's/.*_test.go:[0-9]+: (P-[0-9]|Sec[0-9])/\1/p; /^ *--- (FAIL|SKIP)|^(ok|FAIL)[[:space:]]|^panic:/p'

prove/chaos: PACKAGE = ./app/xmpptest/chaos -parallel 8
prove/client: PACKAGE = ./app/client
prove/e2e: PACKAGE = ./wasm/e2e
prove/server: PACKAGE = ./server
prove/store: PACKAGE = ./wasm/e2e/storetest
prove/chaos prove/client prove/e2e prove/server prove/store:
	PROVE=full $(GO) test -count=1 -timeout 3h -v -run '^TestPromise[0-9]+_|_Killed' $(PACKAGE) 2>&1 | tee $@.log | $(FIGURES)
	@grep -q '^ok' $@.log

$(STATICCHECK):
	GOBIN=$(CURDIR)/.tools $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.6.1

SOURCES = app framing server wasm web

check: $(STATICCHECK) scripts
	@test -z "$$(gofmt -l $(SOURCES))" || { echo "gofmt these:"; gofmt -l $(SOURCES); exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags xmppproxy ./server/gateway
	$(JS) $(GO) vet ./framing/... ./app/... ./wasm/...
	$(STATICCHECK) ./...
	$(JS) $(STATICCHECK) ./wasm/...

# The page's scripts: their types by tsc, their format by prettier.
scripts: web/node_modules
	@if [ -d web/node_modules ]; then \
		cd web && node_modules/.bin/tsc -p tsconfig.json && node_modules/.bin/tsc -p tsconfig.worker.json && \
		node_modules/.bin/prettier --log-level warn --check .; \
	fi

web/node_modules: web/package-lock.json
	@if command -v npm >/dev/null; then \
		cd web && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules; \
	elif [ "$$CI" = true ]; then \
		echo "npm is not installed"; exit 1; \
	else \
		echo "npm is not installed: nothing checks web/*.js"; \
	fi

bench: bench/go bench/page

# What a person feels, in Chromium: every row of wasm/e2e/bench, or those of ROWS alone
# (ROWS=burst,enter), each RUNS times.
RUNS ?= 5
bench/page: bundle
	$(GO) run ./wasm/e2e/bench -bundle dist -runs $(RUNS) -rows "$(ROWS)"

# The page beside nginx and Caddy, by wrk, and the gateway beside nginx, Prosody's own WebSocket and
# xmpp-proxy: apt-get install nginx caddy wrk; doc/scale.md says how to get xmpp-proxy.
bench-server: embedded
	$(GO) run ./server/bench

bench/go:
	$(GO) test -run='^$$' -bench=. -benchmem ./...
	$(JS) $(GO) test -exec="$(NODE)" -run='^$$' -bench=. -benchmem ./framing

size: bundle
	$(GO) run ./web/size -packages dist

# Go runs one fuzz target at a time.
fuzz:
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list='^Fuzz' $$package | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1x $$package || exit 1; \
		done; \
	done

# Which test shows which rule.
conformance:
	$(GO) run ./app/xmpptest/conformance -all

clean:
	rm -rf dist natter .tools
