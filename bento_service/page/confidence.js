// What a confidence means: its level, and what it is in words.
const LEVELS = [
  [0.9, "sure", "Very likely right."],
  [0.7, "likely", "Likely right."],
  [0.4, "unsure", "Uncertain: read the text around it."],
  [0, "guess", "A guess: read the text before you rely on it."],
];

const at = (confidence) => LEVELS.find(([least]) => confidence >= least);

export const levelOf = (confidence) => at(confidence)[1];

export function percent(confidence) {
  if (confidence > 0.99) return "> 99 %";
  return confidence < 0.01 ? "< 1 %" : `${Math.round(confidence * 100)} %`;
}

export function meaning(confidence, answered) {
  const hundred = Math.min(99, Math.max(1, Math.round(confidence * 100)));
  const counted = answered
    ? `Of 100 answers this confident, about ${hundred} are right.`
    : `In about ${hundred} of 100 such cases the text holds no answer.`;
  return `${percent(confidence)}. ${at(confidence)[2]} ${counted}`;
}
