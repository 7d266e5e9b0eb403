// Keeps the app on the device, so that it works without a network, and lets nothing be fetched from elsewhere.
importScripts("version.js"); // VERSION and FILES, written by `freezenet export-app`

// Apps in several folders of one server share its caches; each keeps to its own.
const OWN = `freezenet ${self.registration.scope} `, CACHE = OWN + self.VERSION;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(self.FILES.map((name) => new Request(name, { cache: "reload" })))));
});

// A newer version waits until the user wants it, or no window of the older one is open: a page never gets files of two versions.
self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const isOld = (name) => name.startsWith(OWN) && name !== CACHE;
  const clean = caches.keys().then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name))));
  event.waitUntil(clean.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event, isOwn = request.url.startsWith(self.registration.scope);
  if (!isOwn || request.method !== "GET") {
    event.respondWith(Response.error());
    return;
  }
  event.respondWith(answer(request));
});

/** From the cache; else from the server, and LiteRT.js into the cache: it has several builds, and only the one for this browser is kept. */
async function answer(request) {
  const cache = await caches.open(CACHE).catch(() => null); // a browser may take it away again
  const found = await cache?.match(request, { ignoreSearch: true });
  if (found) return found;
  const fresh = await fetch(request);
  // A page of somebody else in this folder is left alone. No room left: then it needs the network again.
  if (fresh.ok && request.url.includes("/node_modules/")) await cache?.put(request, fresh.clone()).catch(() => {});
  return fresh;
}
