// Before the first paint: the theme and size that were chosen, else the system's.
(function () {
  var root = document.documentElement;
  var chosen = null;
  try {
    chosen = localStorage.getItem("executor.theme");
    root.dataset.size = localStorage.getItem("executor.size") || "dense";
  } catch (error) {
    root.dataset.size = "dense";
  }
  var dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "dark" : "light";
})();
