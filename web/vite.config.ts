// How the dashboard is built: hashed files under /assets, nothing inlined (the policy of the page
// forbids data addresses), the editor and every page in chunks of their own.
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react(), tailwind()],
  resolve: { alias: { "~": new URL("./src", import.meta.url).pathname } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  server: {
    port: 4313,
    proxy: { "/api": "http://127.0.0.1:4312", "/sign-in": "http://127.0.0.1:4312" },
  },
});
