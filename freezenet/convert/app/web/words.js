// What the app says, in words that need no knowledge of networks.

import { NOT_CHEST, UNCERTAIN } from "./core.js";

/** A class name to be read: "Lung_Opacity" is "Lung Opacity". */
export const readable = (label) => label.replaceAll("_", " ");

export const percent = (share) => (share > 0.995 && share < 1 ? "over 99 %" : share < 0.005 && share > 0 ? "under 1 %" : `${Math.round(100 * share)} %`);

/** {said, why, todo, kind} for an answer of core.js's `decide`. */
export function worded(card, answer) {
  if (answer.reason === NOT_CHEST) {
    return {
      kind: "refused",
      said: "Not read as a chest X-ray",
      why: "The model was not made for this picture, so it gives no answer.",
      todo: "Is it a frontal chest X-ray? Is it upright, and are the lungs dark? Does the frame follow the film, without its surroundings and without reflections? Then try again.",
    };
  }
  if (answer.reason === UNCERTAIN) {
    return {
      kind: "uncertain",
      said: "Uncertain",
      why: "The model sees a chest X-ray, but is not sure enough to name a class.",
      todo: "Let a person who reads X-rays decide.",
    };
  }
  const names = answer.label.split(";").filter(Boolean).map(readable);
  const known = card.labels.map(readable).join(", ");
  if (card.thresholds) {
    const why = `Of ${known}. The model knows nothing else.`;
    return { kind: "answered", said: names.length ? names.join(", ") : "None of the findings that it knows", why, todo: "" };
  }
  const number = card.labels.indexOf(answer.label), share = answer.probabilities[number];
  return {
    kind: "answered",
    said: names[0],
    why: `The model gives this ${percent(share)}.${preferred(card, answer.probabilities, number)} It can only choose between ${known}.`,
    todo: "",
  };
}

/** Why a localized model answers with a class that is not the most probable one, as a sentence; "" where it is. */
function preferred({ labels, answerFrom }, shares, number) {
  const most = shares.indexOf(Math.max(...shares));
  if (shares[number] === shares[most]) return "";
  if (answerFrom[number] === null) return ` It is set to answer ${readable(labels[most])}, which is more probable, only from ${percent(answerFrom[most])} on.`;
  return ` It is set to answer so from ${percent(answerFrom[number])} on, even where another class is more probable.`;
}
