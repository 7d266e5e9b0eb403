// The server that the page came from; the page talks to no other. The token is kept for this tab only.

const TOKEN = "freezenet-token";

/** An answer other than the one asked for: status (0 where no server answered), one sentence, seconds until a new try. */
export class Refused extends Error {
  constructor(status, message, seconds) {
    super(message);
    this.status = status;
    this.seconds = seconds;
  }
}

/** Return the JSON at a path; throws Refused. */
export async function ask(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Refused(0, "The server cannot be reached. Check that it still runs, then try again.", 0);
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const message = found.error || `The server answered with status ${answer.status}.`;
    throw new Refused(answer.status, message, Number(answer.headers.get("Retry-After")) || 1);
  }
  return found;
}

/** Return the answer for an image file; wanted: the query's parameters. */
export async function send(file, wanted) {
  const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
  const query = new URLSearchParams(wanted);
  return ask(`/v1/predict?${query}`, { method: "POST", headers: { "Content-Type": type }, body: file });
}

/** Return the address of a picture that came as base64. */
export function pictureUrl(base64, type) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type }));
}

/** Use this token from now on; null: none. Return whether there was one. */
export function useToken(token) {
  const had = sessionStorage.getItem(TOKEN) !== null;
  if (token === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
  return had;
}
