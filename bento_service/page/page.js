// The page to ask on: reads the form, asks the service, and shows what it says.
import { element, show } from "./answer.js";
import { LANGUAGES } from "./code.js";
import { EXAMPLES } from "./examples.js";
import * as passages from "./passages.js";

const SPANS = 5;
const find = (id) => document.getElementById(id);
const url = new URL("answer", document.baseURI).href;
let asking = new AbortController();

// Positions in UTF-16, which is what JavaScript's strings are counted in.
function bodyOf(texts) {
  const where = texts.length > 1 ? { contexts: texts } : { context: texts[0] };
  const allowed = find("no-answer").checked ? { allow_no_answer: true } : {};
  return { question: find("question").value, ...where, top_k: SPANS, ...allowed, offsets: "utf16" };
}

async function ask() {
  asking.abort(); // who asks again no longer waits for the answer before
  const mine = (asking = new AbortController());
  const read = passages.read();
  const body = bodyOf(read.map(({ text }) => text));
  find("result").ariaBusy = "true";
  const started = performance.now();
  try {
    const response = await post(body, mine.signal);
    find("problem").replaceChildren();
    show(response.content, read);
    find("time").textContent = `Answered in ${Math.round(performance.now() - started)} ms by ${response.model}.`;
    code(body);
  } catch (error) {
    if (!mine.signal.aborted) showError(error);
  } finally {
    if (mine === asking) find("result").ariaBusy = "false";
  }
  if (mine === asking) reveal(find("result"));
}

// Scrolls to the result where it is below or above what can be seen, as on a phone.
function reveal(result) {
  const { top } = result.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) result.scrollIntoView();
}

async function post(body, signal) {
  const headers = { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    throw new Error("The service cannot be reached. Is it running?", { cause: error });
  }
  const content = await response.json().catch(() => null);
  if (response.ok && content) return { content, model: response.headers.get("X-Model") ?? "the service" };
  const problem = new Error(content?.detail ?? "The service, or something before it, did not answer in JSON.");
  problem.hint = `${response.status}${content?.error ? ` ${content.error}` : ""}`;
  throw problem;
}

function showError(error) {
  find("answer").hidden = find("nothing").hidden = true;
  showProblem(error.message, error.hint);
}

function showProblem(message, hint = "") {
  const small = hint ? [element("p", hint, { className: "hint" })] : [];
  find("problem").replaceChildren(element("p", message), ...small);
  find("announcement").textContent = "";
}

function code(body) {
  const write = () => {
    const chosen = document.querySelector("#languages input:checked").value;
    find("request").textContent = LANGUAGES[chosen](url, body);
    find("copied").textContent = "";
  };
  find("languages").onchange = write;
  write();
}

async function copy() {
  const text = find("request").textContent;
  try {
    await navigator.clipboard.writeText(text); // there on localhost and over HTTPS only
  } catch {
    getSelection().selectAllChildren(find("request"));
    document.execCommand("copy");
  }
  find("copied").textContent = "Copied";
}

async function open(files) {
  const problems = await passages.open(files);
  if (problems.length) showProblem(problems.join("\n"));
  else find("question").focus();
}

function dragging(event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  find("drop").hidden = event.type !== "dragover";
  if (event.type === "drop") open(event.dataTransfer.files);
}

passages.set([""]);
for (const [index, language] of Object.keys(LANGUAGES).entries()) {
  const input = element("input", [], { type: "radio", name: "language", value: language, checked: !index });
  find("languages").append(element("label", [input, language], { className: "choice" }));
}
for (const example of EXAMPLES) {
  const button = element("button", element("bdi", example.name), { type: "button" });
  button.addEventListener("click", () => {
    passages.set(example.passages);
    find("question").value = example.question;
    find("no-answer").checked = true;
    ask();
  });
  find("examples").append(button);
}
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
find("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.tagName === "TEXTAREA") ask();
});
find("add").addEventListener("click", () => passages.add().focus());
find("files").addEventListener("change", (event) => {
  open([...event.target.files]).then(() => (event.target.value = ""));
});
find("copy").addEventListener("click", copy);
for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, dragging);
