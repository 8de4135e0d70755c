// The page: what it shows, how that is kept, undone and brought back, messages, dialogs and shortcuts.

import { call, showSource, source, ticket, token } from "./api.js";
import { Choices } from "./choices.js";
import { History } from "./history.js";
import { Pane } from "./pane.js";
import { linkOf, settingsInFile, settingsInText, settingsOf } from "./saved.js";
import { Saving } from "./saving.js";
import { Settings } from "./settings.js";
import { download } from "./strip.js";
import { Wall } from "./wall.js";

// Settings that wait for another network to be opened.
const WAITING = "orojar:waiting";
// Why the network that was shown before is not.
const TOLD = "orojar:told";
const byId = (id) => document.getElementById(id);

const state = { view: "own", seeds: [0], psi: 1, class: null, layers: null, noise: null, mix: null, unit: "sigma" };
const panes = new Map();
let session = null;
let settings = null;
let choices = null;
let wall = null;
let saving = null;
let last = null;
let speaking = 0;

const history = new History(() => {
  byId("undo").disabled = !history.undoable;
  byId("redo").disabled = !history.redoable;
});

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
  for (const id of ["settings", "main", "view", "tools"]) byId(id).hidden = true;
  byId("notice").hidden = false;
  byId("notice").textContent = message;
}

// Everything that the page shows, as a saved picture, a link and this tab keep it.
function snapshot() {
  const byMethod = (read) => Object.fromEntries([...panes].map(([name, pane]) => [name, read(pane)]));
  const own = { edits: byMethod((pane) => [...pane.edits]), keep: byMethod((pane) => [...pane.kept]), walked: byMethod((pane) => pane.walked) };
  return structuredClone({ ...state, ...own });
}

const tabsOwn = () => `orojar:${session.identity.checkpoint.sha256}:${session.identity.directions.sha256}`;

// Kept for this tab alone: the server knows nothing of it.
function keep() {
  sessionStorage.setItem(tabsOwn(), JSON.stringify(snapshot()));
}

// Something has changed: keep it, so that it survives a reload, and remember how to undo it.  The direction looked at is no change.
function changed(key = "") {
  const before = last;
  const now = (last = snapshot());
  keep();
  markChosen();
  if (JSON.stringify({ ...before, walked: 0 }) === JSON.stringify({ ...now, walked: 0 })) return;
  history.add({ back: () => apply(before), forth: () => apply(now), key });
}

function take(found) {
  for (const name of Object.keys(state)) if (found[name] !== undefined) state[name] = structuredClone(found[name]);
  if (state.view !== "compare" && !panes.has(state.view)) state.view = "own";
  for (const [name, pane] of panes) {
    pane.edits = new Map(found.edits?.[name] ?? []);
    pane.kept = new Set(found.keep?.[name] ?? []);
    pane.walked = found.walked?.[name] ?? 0;
  }
}

// Show a state of before, or one from elsewhere.
function apply(found) {
  for (const pane of panes.values()) pane.stopPlaying(false);
  take(found);
  for (const pane of panes.values()) pane.showEdits();
  last = snapshot();
  settings.show();
  show(state.view);
  keep();
  markChosen();
}

// The same as a change of its own.
function applyAnew(found) {
  const before = last;
  apply(found);
  const now = last;
  history.add({ back: () => apply(before), forth: () => apply(now) });
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
  for (const pane of panes.values()) if (!shown.includes(pane)) pane.stopPlaying();
  byId("stages").replaceChildren(...shown.map((pane) => pane.stage));
  byId("lists").replaceChildren(...shown.map((pane) => pane.sliders.element));
  shown.forEach(async (pane) => {
    await pane.show(shown.length > 1);
    settings.show();
  });
}

function choose(view) {
  show(view);
  changed();
}

function redraw() {
  shownPanes().forEach((pane) => pane.draw());
}

function makeSwitch() {
  if (panes.size < 2) return;
  const choices = [...panes.values()].map((pane) => [pane.method.name, pane.method.title]);
  for (const [value, title] of [...choices, ["compare", "Compare"]]) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "view", value });
    radio.addEventListener("change", () => choose(value));
    label.append(radio, title);
    byId("view").append(label);
  }
  byId("view").hidden = false;
}

function nextView() {
  const views = [...document.querySelectorAll("#view input")].map((radio) => radio.value);
  if (views.length > 0) choose(views[(views.indexOf(state.view) + 1) % views.length]);
}

// A line that breaks between its words, not inside an option.
function writeLine(id, line) {
  const words = line.split(" ").map((word) => Object.assign(document.createElement("span"), { textContent: word }));
  byId(id).replaceChildren(...words.flatMap((word, index) => (index ? [" ", word] : [word])));
}

async function showCommand(pane) {
  try {
    const lines = await (await call("command", pane.walkRequest())).json();
    byId("command-told").hidden = !lines.told;
    byId("command-lines").hidden = Boolean(lines.told);
    byId("command-told").textContent = lines.told ?? "";
    if (!lines.told) for (const name of ["picture", "film"]) writeLine(`command-${name}`, lines[name]);
    byId("command").showModal();
  } catch (error) {
    failed(error);
  }
}

// Views of one image each, of what a pane shows.
const singles = (pane) => pane.view().seeds.map((seed) => ({ ...pane.view(), seeds: [seed] }));

// The hearts say whether all that is shown is in a list.
function markChosen() {
  if (!choices) return;
  for (const pane of shownPanes())
    for (const name of ["liked", "others"])
      pane.stage.querySelector(`.${name}`).setAttribute("aria-pressed", String(singles(pane).every((view) => choices.includes(name, view))));
}

async function recallView(view) {
  const pane = panes.get(view.method) ?? panes.get("own");
  const now = snapshot();
  const { seeds, psi, class: classIndex, noise, mix } = view;
  const shared = { view: pane.method.name, seeds, psi, class: classIndex, layers: view.layers ?? now.layers, noise, mix };
  const name = pane.method.name;
  applyAnew({ ...now, ...shared, edits: { ...now.edits, [name]: view.edits }, keep: { ...now.keep, [name]: view.keep } });
}

async function makeReady(...views) {
  for (const view of views) await panes.get(view.method)?.makeReady();
}

// A loop between two images that may be of several methods, whose directions are made first where they are not there.
async function loopBetween(from, to) {
  await makeReady(from, to);
  shownPanes()[0].playBetween(from, to);
}

const settingsNow = () => settingsOf(session.identity, snapshot());

// Bring back settings that came in a file, a link or a pasted text.
async function bringBack(found) {
  document.querySelector("dialog[open]")?.close();
  try {
    const answer = await (await call("recall", { settings: found, ...ticket() })).json();
    if (answer.open) {
      say(`These settings are of ${answer.open}: opening it…`);
      await call("open", { name: answer.open, ...ticket() });
      sessionStorage.setItem(WAITING, JSON.stringify(found));
      showSource(answer.open);
      return;
    }
    applyAnew(answer.state);
    say(answer.told.length > 0 ? `Brought back: ${answer.told.join("; ")}` : "Everything is as it was saved");
  } catch (error) {
    failed(error);
  }
}

async function bringBackFile(file) {
  try {
    await bringBack(await settingsInFile(file));
  } catch (error) {
    failed(error);
  }
}

async function copyLink() {
  const link = linkOf(token, settingsNow());
  try {
    await navigator.clipboard.writeText(link);
    say("Copied: the link works until the explorer stops; pasted on a later page it brings the settings back there");
  } catch {
    failed(new Error("The browser does not let the page copy; save the settings as a file instead"));
  }
}

function saveSettings() {
  download(new Blob([`${JSON.stringify(settingsNow())}\n`], { type: "application/json" }), "orojar-settings.json");
  say("Saved orojar-settings.json");
}

async function askToOpen() {
  byId("open-told").textContent = "";
  byId("open-name").value = "";
  byId("opening").showModal();
  try {
    const offered = await (await call("sources")).json();
    byId("source-list").replaceChildren(
      ...offered.map(({ name, title }) => {
        const item = document.createElement("li");
        const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: title });
        button.addEventListener("click", () => open(name));
        item.append(button);
        return item;
      }),
    );
    byId("sources").replaceChildren(...offered.map(({ name, title }) => new Option(title, name)));
  } catch (error) {
    failed(error);
  }
}

async function open(name) {
  byId("open-told").className = "told";
  byId("open-told").textContent = "Opening…";
  try {
    await call("open", { name, ...ticket() });
    showSource(name);
  } catch (error) {
    byId("open-told").className = "told error";
    byId("open-told").textContent = error.message;
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
  z: () => history.undo(),
  Z: () => history.redo(),
  w: () => wall.open(),
  h: () => choices.toggle("liked", singles(activePane())),
  o: () => choices.toggle("others", singles(activePane())),
  " ": () => activePane().play(),
  s: () => activePane().askToSave("still"),
  g: () => activePane().askToSave("film"),
  c: () => showCommand(activePane()),
};

// What Control, or Command, does with a letter.
const withControl = { z: () => history.undo(), Z: () => history.redo(), y: () => history.redo() };

function onKey(event) {
  const typing = event.target.matches("input:not([type=range]):not([type=radio]):not([type=checkbox]), select");
  if (!settings || typing || event.altKey || document.querySelector("dialog[open]")) return;
  const actions = event.ctrlKey || event.metaKey ? withControl : shortcuts;
  // A button the space bar presses.
  if (!Object.hasOwn(actions, event.key) || (event.key === " " && event.target.matches("button, input:not([type=range])"))) return;
  event.preventDefault();
  actions[event.key]();
}

const describe = async () => (await (source ? call("open", { name: source, ...ticket() }) : call("session"))).json();

// Names may have been given, and images chosen, in another tab or by a command.
async function refresh() {
  if (document.hidden || !settings) return;
  try {
    const found = await describe();
    for (const method of found.methods) if (method.ready && panes.get(method.name).method.ready) panes.get(method.name).describe(method);
    choices.take(found.choices);
  } catch (error) {
    failed(error);
  }
}

// What to begin with: settings in the link, or that waited for this network; else those of this tab; else the program's.
function begin() {
  const text = settingsInText(location.hash);
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null");
  sessionStorage.removeItem(WAITING);
  if (text) window.history.replaceState(null, "", `#token=${token}`);
  const kept = JSON.parse(sessionStorage.getItem(tabsOwn()) ?? "null");
  take(kept ?? session.start ?? {});
  return text ?? waiting;
}

async function start() {
  if (!token) {
    stop("Open the address that the terminal shows, with all of its letters: it carries the key of this session.");
    return;
  }
  try {
    session = await describe();
  } catch (error) {
    if (source && error.status !== 401 && error.status !== 0) {
      sessionStorage.removeItem(WAITING);
      sessionStorage.setItem(TOLD, error.message);
      showSource("");
    } else stop(error.message);
    return;
  }
  const { network, methods } = session;
  Object.assign(state, { class: network.classes ? 0 : null, unit: session.look.unit });
  const ask = (pane, name) => saving.open(pane, name);
  const chosen = (pane, name) => choices.toggle(name, singles(pane));
  const events = { say, failed, changed, did: (step) => history.add(step), command: showCommand, askToSave: ask, choose: chosen };
  for (const method of methods) panes.set(method.name, new Pane(method, session, () => state, events));
  const found = begin();
  for (const pane of panes.values()) pane.describe(pane.method);
  byId("network").textContent = `${network.name} · ${network.family} · ${network.width}×${network.height}`;
  document.title = `${network.name} · orojar explore`;
  makeSwitch();
  const ownLayers = () => (shownPanes().find((pane) => pane.method.ready && !pane.method.layered) ?? panes.get("own")).method.layers;
  const changedSettings = (key) => {
    for (const pane of panes.values()) pane.showEdits();
    redraw();
    changed(key);
  };
  settings = new Settings(state, session, ownLayers, changedSettings, failed);
  const did = (step) => history.add(step);
  choices = new Choices({ session, recalled: recallView, did, changed: markChosen, between: loopBetween, failed, say });
  wall = new Wall({ session, view: () => activePane().view(), choices, chosen: (seeds) => settings.change({ seeds }), failed });
  saving = new Saving({ session, state: snapshot, marked: () => choices.marked, makeReady });
  byId("open-button").hidden = !session.open;
  byId("notice").hidden = true;
  for (const id of ["settings", "main", "tools"]) byId(id).hidden = false;
  last = snapshot();
  show(panes.size > 1 ? state.view : "own");
  keep();
  markChosen();
  if (found) bringBack(found);
  const told = sessionStorage.getItem(TOLD);
  sessionStorage.removeItem(TOLD);
  if (told) failed(new Error(told));
}

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", refresh);
window.addEventListener("hashchange", () => location.reload());
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  const text = settingsInText(event.dataTransfer.getData("text"));
  if (settings && file) bringBackFile(file);
  else if (settings && text) bringBack(text);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  const text = settingsInText(event.clipboardData.getData("text"));
  if (!settings || event.target.matches?.("input") || !(file || text)) return;
  event.preventDefault();
  if (text) bringBack(text);
  else bringBackFile(file);
});
const clicked = (id, act) => byId(id).addEventListener("click", act);
clicked("undo", () => history.undo());
clicked("redo", () => history.redo());
clicked("wall-button", () => wall.open());
clicked("chosen-button", () => choices.open());
clicked("share-button", () => byId("share").showModal());
clicked("open-button", askToOpen);
clicked("copy-link", copyLink);
clicked("save-settings", saveSettings);
clicked("load-settings", () => byId("settings-file").click());
byId("settings-file").addEventListener("change", ({ target }) => {
  if (target.files[0]) bringBackFile(target.files[0]);
  target.value = "";
});
byId("opening-form").addEventListener("submit", (event) => {
  if (event.submitter?.value === "cancel") return;
  event.preventDefault();
  open(byId("open-name").value.trim());
});
byId("help-button").addEventListener("click", () => byId("help").showModal());
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button.dataset.copy)));
document.querySelectorAll("dialog").forEach((dialog) => {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
});
start();
