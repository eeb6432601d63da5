# workerd as `cargo xtask bench sandbox` runs it; the bench fills in the two ports and adds the script.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "bench", external = (address = "127.0.0.1:BENCH_PORT", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:OWN_PORT", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "loader.mjs", esModule = embed "loader.mjs")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["experimental"],
  bindings = [
    (name = "LOADER", workerLoader = (id = "bench")),
    (name = "BENCH", service = "bench"),
  ],
);
