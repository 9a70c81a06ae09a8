// The passages that are asked about: text areas that are typed in, pasted into, or filled from files.
const MAX_FILE_BYTES = 1_000_000; // the service takes no more in a request

const list = document.querySelector("#passages");
const template = document.querySelector("#passage");
const fields = () => [...list.querySelectorAll("textarea")];

export function add(text = "") {
  const item = template.content.cloneNode(true).firstElementChild;
  list.append(item);
  const area = item.querySelector("textarea");
  area.value = text;
  area.addEventListener("input", () => count(item));
  item.querySelector(".remove").addEventListener("click", () => remove(item));
  number();
  return area;
}

export function set(texts) {
  list.replaceChildren();
  texts.forEach(add);
}

// The texts, less the empty ones beside others, and the number of each as the page shows it.
export function read() {
  const all = fields().map((area, index) => ({ number: index + 1, text: area.value }));
  const filled = all.filter(({ text }) => text.trim());
  return filled.length ? filled : all.slice(0, 1);
}

// Reads files as passages, into the empty ones first. Returns what is wrong with those that it could not read.
export async function open(files) {
  const problems = [];
  for (const file of files) {
    try {
      put(await decode(file));
    } catch (error) {
      problems.push(`${file.name}: ${error.message}`);
    }
  }
  return problems;
}

async function decode(file) {
  if (file.size > MAX_FILE_BYTES) throw new Error("is larger than 1 MB, which is more than the service takes");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error("is not a text in UTF-8; save it as one and try again");
  }
}

function put(text) {
  const empty = fields().find((area) => !area.value.trim()) ?? add();
  empty.value = text;
  count(empty.closest("li"));
}

function remove(item) {
  const beside = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  number();
  beside.querySelector("textarea").focus();
}

function number() {
  [...list.children].forEach((item, index) => {
    const [label, area] = [item.querySelector("label"), item.querySelector("textarea")];
    area.id = `passage-${index + 1}`;
    label.htmlFor = area.id;
    label.textContent = `Passage ${index + 1}`;
    item.querySelector(".remove").setAttribute("aria-label", `Remove passage ${index + 1}`);
    count(item);
  });
}

function count(item) {
  const characters = [...item.querySelector("textarea").value].length;
  item.querySelector(".count").textContent = `${characters.toLocaleString("en")} character${characters === 1 ? "" : "s"}`;
}
