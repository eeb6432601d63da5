# The Worker on this machine, for development and tests:
#
#   EXECUTOR_SECRET=… workerd serve workerd.capnp --experimental
#
# Plain workerd holds no program to its limits of time and memory: one that
# loops stops them all. Never use it for programs of strangers.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    # Executor listens on loopback.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["typescript_strip_types"],
  modules = [(name = "index.ts", esModule = embed "src/index.ts")],
  bindings = [
    (name = "LOADER", workerLoader = (id = "programs")),
    (name = "EXECUTOR_SECRET", fromEnvironment = "EXECUTOR_SECRET"),
  ],
);
