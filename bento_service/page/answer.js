// Shows the answers of a response: the best one, its confidence and its place, and the others to click through.
// Texts become text nodes, never HTML.
import { levelOf, meaning, percent } from "./confidence.js";

const WARNINGS = {
  unknown_words_in_question: "The model cannot read some words of the question.",
  unknown_words_in_context: "The model cannot read many words of the text.",
  unknown_words_in_answer: "The model cannot read some words of the answer.",
};
const NO_ANSWER = "No answer in this text";
const find = (id) => document.getElementById(id);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export function element(name, content, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content].flat());
  return made;
}

// passages: [{number, text}], in the order of the request.
export function show(response, passages) {
  const spans = [response, ...(response.alternatives ?? [])];
  find("spans").replaceChildren(...spans.map((span, index) => answerButton(span, index, passages)));
  find("others").hidden = spans.length < 2;
  find("nothing").hidden = true;
  find("answer").hidden = false;
  select(spans[0], 0, passages);
}

function answerButton(span, index, passages) {
  const fill = element("div", []);
  fill.style.width = `${span.confidence * 100}%`;
  const bar = element("div", fill, { className: "bar", ariaHidden: "true" });
  bar.dataset.level = levelOf(span.confidence);
  const share = element("span", percent(span.confidence), { className: "share" });
  const button = element("button", [element("bdi", span.answer || NO_ANSWER), bar, share], { type: "button" });
  button.addEventListener("click", () => select(span, index, passages));
  return element("li", button);
}

function select(span, index, passages) {
  find("spans").querySelectorAll("button").forEach((button, at) => (button.ariaPressed = String(at === index)));
  find("best").textContent = span.answer || NO_ANSWER;
  find("best").classList.toggle("none", !span.answer);
  const meter = find("confidence");
  meter.dataset.level = levelOf(span.confidence);
  meter.firstElementChild.style.width = `${span.confidence * 100}%`;
  meter.ariaValueNow = String(Math.round(span.confidence * 100));
  meter.ariaValueText = percent(span.confidence);
  find("meaning").textContent = meaning(span.confidence, Boolean(span.answer));
  const warnings = (span.warnings ?? []).map((name) => WARNINGS[name] ?? name.replaceAll("_", " "));
  find("warnings").replaceChildren(...warnings.map((warning) => element("li", warning)));
  const place = passages[span.context ?? 0];
  const where = [
    ...(span.answer && passages.length > 1 ? [`In passage ${place.number}.`] : []),
    ...(span.occurrences > 1 ? [`The text says so in ${span.occurrences} places.`] : []),
  ].join(" ");
  find("where").textContent = where;
  const spoken = `${span.answer ? "Answer: " : ""}${span.answer || NO_ANSWER}.`;
  find("announcement").textContent = [spoken, find("meaning").textContent, where, ...warnings].filter(Boolean).join(" ");
  mark(span, place, passages);
}

function mark(span, place, passages) {
  const text = find("text");
  text.replaceChildren(
    ...passages.flatMap((passage) => {
      const heading = passages.length > 1 ? [element("h4", `Passage ${passage.number}`)] : [];
      return [...heading, element("p", span.answer && passage === place ? marked(passage.text, span) : passage.text)];
    }),
  );
  const found = text.querySelector("mark");
  const top = found ? found.offsetTop - text.clientHeight / 2 + found.offsetHeight / 2 : 0;
  text.scrollTo({ top, behavior: reducedMotion.matches ? "auto" : "smooth" });
}

function marked(text, { start_pos: start, end_pos: end }) {
  return [text.slice(0, start), element("mark", text.slice(start, end)), text.slice(end)];
}
