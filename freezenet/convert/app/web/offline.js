// Keeping the app on the device, and the way to a newer version of it.

/** Longest wait for a service worker that neither takes over nor fails, milliseconds. */
const PATIENCE = 20000;

/**
 * Let the service worker take over first, so that all that is fetched from here on works without a network next time.
 *
 * newer(take): a newer version is on the device and waits; take() puts it in place, here and in all windows of the app.
 * replaced(): a newer version was put in place: what is fetched from now on is of that one, so this page is of the past.
 */
export async function keepOffline(newer, replaced) {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  let isControlled = workers.controller !== null;
  workers.addEventListener("controllerchange", () => {
    if (isControlled) replaced();
    isControlled = true;
  });
  try {
    const registration = await workers.register("sw.js", { updateViaCache: "none" });
    const follow = (worker) => worker && settled(worker).then(() => {
      if (worker.state === "installed" && workers.controller) newer(() => worker.postMessage("take over"));
    });
    follow(registration.waiting);
    follow(registration.installing);
    registration.addEventListener("updatefound", () => follow(registration.installing));
    // The first one takes over by itself, unless the browser has no room for it.
    if (!workers.controller && registration.installing) await first(workers, registration.installing);
  } catch {
    // Without it the app works as long as there is a network.
  }
}

/** Resolved when a worker is installed or will never be. */
function settled(worker) {
  if (worker.state !== "installing") return Promise.resolve();
  return new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
}

function first(workers, worker) {
  return new Promise((resolve) => {
    workers.addEventListener("controllerchange", resolve, { once: true });
    worker.addEventListener("statechange", () => worker.state === "redundant" && resolve());
    setTimeout(resolve, PATIENCE);
  });
}

/** Whether all that this page has fetched is kept: not in a private window, and not where the device has no room left. */
export async function isKept() {
  try {
    if (!navigator.serviceWorker?.controller) return false;
    const home = new URL("./", location.href).href;
    const fetched = performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => name.startsWith(home));
    const found = await Promise.all(fetched.map((name) => caches.match(name, { ignoreSearch: true })));
    return found.every(Boolean);
  } catch {
    return false;
  }
}
