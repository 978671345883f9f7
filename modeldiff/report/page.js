"use strict";
// What a reader does on the page. Names and classes only ever become text nodes or attributes.
const content = JSON.parse(document.getElementById("content").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const views = {}; // of the scatters, by pair

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const [one, many] = content.words; // what examples are called
// How an example is shown; pair: with what is marked there.
const shownAs = (split, index, pair) => content.pairs[pair]?.marked?.[split][index] ?? content.images[split][index];
// A text, or its parts: what sets the two recipes of a pair apart is marked.
const parts = (text) =>
  [text].flat().map((part) => (part.about ? element("mark", { class: part.side, title: part.about }, part.text) : part));
// An image, or of a row of a table the columns that stand out against its class.
function picture(split, index, pair) {
  const shown = shownAs(split, index, pair);
  if (typeof shown !== "string")
    return element("span", { class: "cells" }, ...shown.flat().map((text) => element("span", {}, ...parts(text))));
  const node = element("img", {
    src: shown,
    alt: `${split === "test" ? "test" : "training"} image ${index}, class ${content.labels[split][index]}`,
  });
  // Small images are enlarged as the squares they are.
  if (content.side <= 64) node.className = "pixels";
  return node;
}

const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toPrecision(3);

// What both algorithms of a pair predict of a test image most often, marked where they differ.
function answers(index, pair) {
  const votes = content.votes[index];
  const [a, b] = content.pairs[pair].algorithms;
  if (!votes?.[a]?.most || !votes[b]?.most) return [];
  const differ = votes[a].most !== votes[b].most;
  const answer = (name, colour) =>
    element("span", { class: colour, title: `${name} predicts ${votes[name].all}` }, votes[name].most);
  return [element("span", { class: "answers" }, answer(a, "a"), differ ? " ≠ " : " = ", answer(b, "b"))];
}

function example(split, index, score, pair) {
  const button = element(
    "button",
    { type: "button", class: "example" },
    picture(split, index, pair),
    element("span", {}, content.labels[split][index]),
    ...(split === "test" && pair !== undefined ? answers(index, pair) : []),
    ...(score === null ? [] : [element("small", {}, signed(score))]),
    ...(content.planted[split].includes(index) ? [element("em", {}, "planted")] : []),
  );
  button.addEventListener("click", () => enlarge(split, index, pair));
  return button;
}

function strip(examples, split, pair, most = examples.length) {
  return examples.slice(0, most).map(([index, score]) => example(split, index, score, pair));
}

// One image, large; for a test image also the training images that matter for it.
const dialog = document.querySelector("dialog");
function enlarge(split, index, pair) {
  const what = `${split === "test" ? "Test" : "Training"} ${one}`;
  const body = [
    element("h2", { id: "enlarged" }, `${what} ${index}`),
    element("p", {}, `class ${content.labels[split][index]}`),
    picture(split, index, pair),
  ];
  const marked = [shownAs(split, index, pair)].flat(3).filter(({ about }) => about);
  const said = new Set(marked.map(({ text, about }) => `${text}: ${about}.`)); // equal symbols once
  body.push(...[...said].map((line) => element("p", {}, line)));
  if (content.planted[split].includes(index))
    body.push(element("p", {}, `Planted: the study put a feature on this ${one} and relabelled it.`));
  for (const [algorithm, { all }] of Object.entries((split === "test" && content.votes[index]) || {}))
    body.push(element("p", {}, `${algorithm}: ${all}`));
  for (const [algorithm, ends] of Object.entries((split === "test" && content.influences[index]) || {})) {
    ["raise", "lower"].forEach((verb, end) => {
      if (!ends[end].length) return;
      body.push(
        element("h3", {}, `Training ${many} that ${verb} its margin most under ${algorithm}`),
        element("div", { class: "strip" }, ...strip(ends[end], "train")),
      );
    });
  }
  dialog.lastElementChild.replaceChildren(...body);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

function proposals({ head, tables, about }, i) {
  const row = (tag, cells) => element("tr", {}, ...cells.map((text) => element(tag, {}, text)));
  const body = [element("thead", {}, row("th", head)), element("tbody", {}, ...tables[i].map((cells) => row("td", cells)))];
  return [
    element("h4", {}, "Candidates to try"),
    element("div", { class: "scroll" }, element("table", {}, ...body)),
    element("p", {}, about),
  ];
}

const ENDS = { high: "positive end", low: "negative end" };
function titled({ split, end, examples, others }, pair) {
  const what = split === "test" ? "Test" : "Training";
  const nodes = [
    element("h4", {}, `${what} ${many}, ${ENDS[end]}`),
    element("div", { class: "strip" }, ...strip(examples, split, pair)),
  ];
  if (others.length)
    nodes.push(
      element("h4", {}, `${what} ${many} of the same classes that have nothing to do with it`),
      element("div", { class: "strip" }, ...strip(others, split, pair)),
    );
  return nodes;
}
function folded(summary, nodes) {
  return nodes.length ? [element("details", {}, element("summary", {}, summary), ...nodes)] : [];
}
function show(pair, way, i) {
  const direction = content.pairs[pair].ways[way];
  const panel = document.querySelector(`[data-panel="${pair}"]`);
  panel.querySelector("h3").textContent = `${direction.name}, direction ${i + 1}`;
  panel.querySelector("p").textContent = direction.about[i];
  panel.querySelector(".strips").replaceChildren(
    ...direction.directions[i].slice(0, 2).flatMap((one) => titled(one, pair)),
    ...folded("The other end", direction.directions[i].slice(2).flatMap((one) => titled(one, pair))),
    ...(direction.candidates ? proposals(direction.candidates, i) : []),
  );
  for (const button of document.querySelectorAll(`[data-direction^="${pair} "]`))
    button.setAttribute("aria-pressed", button.dataset.direction === `${pair} ${way} ${i}`);
  views[pair]?.signal("chosen", `${way}-${i}`).runAsync();
}

for (const node of document.querySelectorAll("[data-strip]")) {
  const [pair, kind, i, which, most] = node.dataset.strip.split(" ");
  const chosen = content.pairs[pair][kind][i][which];
  const examples = "others" in node.dataset ? chosen.others : chosen.examples;
  node.append(...strip(examples, chosen.split, pair, most));
}
// A pointer's choice brings the images into view, where they lie below (on a phone).
function choose(pair, way, i) {
  show(pair, way, i);
  const heading = document.querySelector(`[data-panel="${pair}"] h3`);
  if (heading.getBoundingClientRect().bottom > window.innerHeight) heading.scrollIntoView();
}
for (const button of document.querySelectorAll("[data-direction]"))
  button.addEventListener("click", (event) =>
    (event.detail ? choose : show)(...button.dataset.direction.split(" ").map(Number)),
  );
// Arrow keys walk along the directions of a way.
for (const group of document.querySelectorAll(".ranks"))
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    const next = step && document.activeElement[step];
    if (next?.matches("button")) {
      next.focus();
      next.click();
    }
  });
// At first the strongest direction of a way is shown that chance does not explain: it has images.
function begin(pair) {
  const way = content.pairs[pair].ways.findIndex(({ directions }) => directions[0].length);
  show(pair, Math.max(0, way), 0);
}
for (const panel of document.querySelectorAll("[data-panel]")) begin(Number(panel.dataset.panel));

// Charts take their colours from the page, and are drawn again when it turns dark or light.
function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const [text, muted, line] = ["text", "muted", "line"].map(colour);
  const axis = { labelColor: muted, titleColor: text, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: "transparent",
    font: style.fontFamily,
    view: { stroke: null },
    axis: { ...axis, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 },
    legend: { labelColor: text, labelFontSize: 13, titleColor: text },
    // Algorithms in between, too, each have their own.
    range: {
      category: [..."abcde"].map(colour),
      symbol: ["circle", "square", "triangle-up", "diamond", "cross"],
      heatmap: [colour("line"), colour("a")],
    },
    text: { color: text, fontSize: 12 },
    line: { strokeWidth: 2.5 },
    style: {
      guide: { color: muted, strokeWidth: 2, strokeDash: [5, 4] },
      mean: { color: text, strokeWidth: 2 },
      count: { color: colour("count") },
      interval: { color: text, opacity: 0.15 },
    },
  };
}

async function draw() {
  const options = { actions: false, renderer: "svg", ast: true, config: theme() };
  options.tooltip = { theme: dark.matches ? "dark" : "light" };
  for (const node of document.querySelectorAll("[data-chart]")) {
    const { view } = await vegaEmbed(node, content.charts[node.dataset.chart], options);
    if (!node.dataset.pair) continue;
    const pair = Number(node.dataset.pair);
    views[pair] = view;
    view.addEventListener("click", (_, item) => {
      if (item?.datum?.id) choose(pair, ...item.datum.id.split("-").map(Number));
    });
    const pressed = document.querySelector(`[data-direction^="${pair} "][aria-pressed="true"]`);
    show(...pressed.dataset.direction.split(" ").map(Number));
  }
  document.documentElement.dataset.ready = "yes";
}
dark.addEventListener("change", draw);
draw();
