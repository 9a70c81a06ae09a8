// A request as code to copy: language to a function of the service's address and the request's body.
const json = (value) => JSON.stringify(value, null, 2);

function python(value) {
  if (Array.isArray(value)) return `[\n${value.map((item) => `        ${python(item)},\n`).join("")}    ]`;
  // A text in JSON is one in Python too.
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}

export const LANGUAGES = {
  // No line of JSON is the word that ends the text, so nothing in it needs to be quoted.
  curl: (url, body) => `curl ${url} -H 'Content-Type: application/json' --data-binary @- <<'JSON'
${json(body)}
JSON`,
  // Python counts code points, which is what the service does unless told.
  Python: (url, { offsets, ...body }) => `import httpx

body = {
${Object.entries(body)
  .map(([name, value]) => `    "${name}": ${python(value)},\n`)
  .join("")}}
response = httpx.post("${url}", json=body)
response.raise_for_status()
answer = response.json()
print(answer["answer"], answer["confidence"], answer["start_pos"], answer["end_pos"])`,
  JavaScript: (url, body) => `const response = await fetch("${url}", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(${json(body)}),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.detail);
console.log(answer.answer, answer.confidence, answer.start_pos, answer.end_pos);`,
};
