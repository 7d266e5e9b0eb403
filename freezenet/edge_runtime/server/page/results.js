// What was answered, as the text of a file.

/** Return the finished items as plain objects, with the keys of `freezenet predict --json`. */
export function results(items) {
  return items
    .filter((item) => item.state !== "waiting")
    .map((item) => ({ file: item.name, ...(item.answer || { error: item.error }) }));
}

function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  // A spreadsheet would take these for formulas, and a file name can begin with them.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Return the finished items as a CSV table with a column for each class. */
export function asCsv(items, labels) {
  const head = ["file", "label", "abstained", "reason", ...labels, "model", "model_sha256", "runtime", "request_id", "error"];
  const lines = results(items).map((one) => [
    one.file, one.label, one.abstained, one.reason, ...labels.map((label) => one.probabilities && one.probabilities[label]),
    one.model, one.model_sha256, one.runtime, one.request_id, one.error,
  ]);
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}
