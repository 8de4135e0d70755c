// The page: what it shows, what it keeps over a reload, messages, dialogs and shortcuts.

import { call, token } from "./api.js";
import { Pane } from "./pane.js";
import { Settings } from "./settings.js";

const KEPT = `orojar:${token}`;
const byId = (id) => document.getElementById(id);

const state = { view: "own", seeds: [0], psi: 1, class: null, layers: null };
const panes = new Map();
let settings = null;
let speaking = 0;

function say(message, kind = "") {
  byId("status").textContent = message;
  byId("status").className = `toast shown ${kind}`;
  clearTimeout(speaking);
  speaking = setTimeout(() => byId("status").classList.remove("shown"), kind === "error" ? 8000 : 2500);
}

function failed(error) {
  if (error.status === 0 || error.status === 401) lost(error);
  else say(error.message, "error");
}

// The server is gone, or another one has its place.  Ask until it is there again; then draw what the page says by now.
let asking = 0;

function lost(error) {
  const anew = error.status === 401;
  byId("lost").textContent = anew
    ? "This page is from an earlier session: the explorer was started anew.  Open the address that its terminal shows now."
    : "The explorer does not answer.  The pictures are old; the page asks again until it does.";
  byId("lost").hidden = false;
  clearTimeout(asking);
  if (!anew) asking = setTimeout(askAgain, 1500);
}

async function askAgain() {
  try {
    await call("session");
  } catch (error) {
    lost(error);
    return;
  }
  byId("lost").hidden = true;
  say("The explorer answers again");
  redraw();
}

function stop(message) {
  for (const id of ["settings", "main", "view"]) byId(id).hidden = true;
  byId("notice").hidden = false;
  byId("notice").textContent = message;
}

// Kept for this tab alone: the server knows nothing of it.
function keep() {
  const edits = Object.fromEntries([...panes].map(([name, pane]) => [name, [...pane.edits]]));
  const walked = Object.fromEntries([...panes].map(([name, pane]) => [name, pane.walked]));
  sessionStorage.setItem(KEPT, JSON.stringify({ ...state, edits, walked }));
}

function recall() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!kept) return;
  for (const name of Object.keys(state)) state[name] = kept[name];
  for (const [name, pane] of panes) {
    pane.edits = new Map(kept.edits[name] ?? []);
    pane.walked = kept.walked[name] ?? 0;
  }
}

function shownPanes() {
  return [...panes.values()].filter((pane) => state.view === "compare" || state.view === pane.method.name);
}

function activePane() {
  const focused = (pane) => pane.sliders.element.contains(document.activeElement) || pane.stage.contains(document.activeElement);
  return shownPanes().find(focused) ?? shownPanes()[0];
}

function show(view) {
  state.view = view;
  byId("main").dataset.view = view === "compare" ? "compare" : "single";
  document.querySelectorAll("#view input").forEach((radio) => (radio.checked = radio.value === view));
  const shown = shownPanes();
  byId("stages").replaceChildren(...shown.map((pane) => pane.stage));
  byId("lists").replaceChildren(...shown.map((pane) => pane.sliders.element));
  shown.forEach(async (pane) => {
    await pane.show(shown.length > 1);
    settings.show();
  });
  keep();
}

function redraw() {
  shownPanes().forEach((pane) => pane.draw());
  keep();
}

function makeSwitch() {
  if (panes.size < 2) return;
  const choices = [...panes.values()].map((pane) => [pane.method.name, pane.method.title]);
  for (const [value, title] of [...choices, ["compare", "Compare"]]) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "view", value });
    radio.addEventListener("change", () => show(value));
    label.append(radio, title);
    byId("view").append(label);
  }
  byId("view").hidden = false;
}

function nextView() {
  const views = [...document.querySelectorAll("#view input")].map((radio) => radio.value);
  if (views.length > 0) show(views[(views.indexOf(state.view) + 1) % views.length]);
}

// A line that breaks between its words, not inside an option.
function writeLine(id, line) {
  const words = line.split(" ").map((word) => Object.assign(document.createElement("span"), { textContent: word }));
  byId(id).replaceChildren(...words.flatMap((word, index) => (index ? [" ", word] : [word])));
}

async function showCommand(pane) {
  try {
    const lines = await (await call("command", pane.walkRequest())).json();
    writeLine("command-picture", lines.picture);
    writeLine("command-film", lines.film);
    byId("command").showModal();
  } catch (error) {
    failed(error);
  }
}

async function copy(id) {
  const code = byId(id);
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("Copied");
  } catch {
    getSelection().selectAllChildren(code);
    say("Selected: copy it with the keyboard");
  }
}

const shortcuts = {
  "?": () => byId("help").showModal(),
  n: () => settings.moveSeeds(1),
  p: () => settings.moveSeeds(-1),
  r: () => settings.drawSeeds(),
  m: nextView,
  j: () => activePane().sliders.focusNext(1),
  k: () => activePane().sliders.focusNext(-1),
  x: () => activePane().reset(),
  z: () => activePane().undoReset(),
  s: () => activePane().save("png"),
  g: () => activePane().save("gif"),
  c: () => showCommand(activePane()),
};

function onKey(event) {
  const typing = event.target.matches("input:not([type=range]):not([type=radio])");
  if (!settings || typing || event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (!Object.hasOwn(shortcuts, event.key)) return;
  event.preventDefault();
  shortcuts[event.key]();
}

// Names may have been given in another tab, or by `orojar label`.
async function refreshNames() {
  if (document.hidden || !settings) return;
  try {
    const { methods } = await (await call("session")).json();
    for (const method of methods) if (method.ready && panes.get(method.name).method.ready) panes.get(method.name).describe(method);
  } catch (error) {
    failed(error);
  }
}

async function start() {
  if (!token) {
    stop("Open the address that the terminal shows, with all of its letters: it carries the key of this session.");
    return;
  }
  let session;
  try {
    session = await (await call("session")).json();
  } catch (error) {
    stop(error.message);
    return;
  }
  const { network, methods } = session;
  state.class = network.classes ? 0 : null;
  const events = { say, failed, changed: keep, command: showCommand };
  for (const method of methods) panes.set(method.name, new Pane(method, session, () => state, events));
  recall();
  for (const pane of panes.values()) pane.describe(pane.method);
  byId("network").textContent = `${network.name} · ${network.family} · ${network.width}×${network.height}`;
  document.title = `${network.name} · orojar explore`;
  makeSwitch();
  const ownLayers = () => (shownPanes().find((pane) => pane.method.ready && !pane.method.layered) ?? panes.get("own")).method.layers;
  settings = new Settings(state, session, ownLayers, redraw, failed);
  byId("notice").hidden = true;
  for (const id of ["settings", "main"]) byId(id).hidden = false;
  show(panes.size > 1 ? state.view : "own");
}

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", refreshNames);
window.addEventListener("hashchange", () => location.reload());
byId("help-button").addEventListener("click", () => byId("help").showModal());
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button.dataset.copy)));
document.querySelectorAll("dialog").forEach((dialog) => {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
});
start();
