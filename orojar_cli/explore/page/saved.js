// Settings in files and links: what a picture, a JSON file or a link of the explorer carries.

const FORMAT = "orojar-explore-1";
const KEY = "orojar\0";
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const LARGEST = 1 << 16;

export const settingsOf = (identity, state) => ({ format: FORMAT, ...identity, state });

export function linkOf(token, settings) {
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `${location.origin}/#token=${token}&settings=${text}`;
}

function ofLink(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (letter) => letter.charCodeAt(0))));
}

// The settings in a link of this or of an earlier session, or in JSON; null in any other text.
export function settingsInText(text) {
  if (text.length > LARGEST) return null;
  try {
    const link = /[#&]settings=([\w-]+)/.exec(text);
    const found = link ? ofLink(link[1]) : JSON.parse(text);
    return String(found?.format).startsWith("orojar-") ? found : null;
  } catch {
    return null;
  }
}

const latin = (bytes) => new TextDecoder("latin1").decode(bytes);

// The text under the name that orojar uses: a chunk before the pixels.
function ofPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = PNG.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = latin(bytes.subarray(at + 4, at + 8));
    if (kind === "IDAT" || kind === "IEND") return null;
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "tEXt" && latin(data.subarray(0, KEY.length)) === KEY) return latin(data.subarray(KEY.length));
    at += 12 + length;
  }
  return null;
}

// The comment before the first picture.
function ofGif(bytes) {
  let at = 13 + (bytes[10] & 0x80 ? 3 * 2 ** ((bytes[10] & 7) + 1) : 0);
  while (bytes[at] === 0x21) {
    const comment = bytes[at + 1] === 0xfe;
    let text = "";
    for (at += 2; bytes[at] > 0; at += bytes[at] + 1) if (comment) text += latin(bytes.subarray(at + 1, at + 1 + bytes[at]));
    at += 1;
    if (text.startsWith(KEY)) return text.slice(KEY.length);
  }
  return null;
}

// The settings in a file that was dropped; throws an error that says why there are none.
export async function settingsInFile(file) {
  const bytes = new Uint8Array(await file.slice(0, 1 << 22).arrayBuffer());
  const isPng = PNG.every((byte, index) => bytes[index] === byte);
  const isGif = latin(bytes.subarray(0, 4)) === "GIF8";
  const text = isPng ? ofPng(bytes) : isGif ? ofGif(bytes) : latin(bytes).trimStart().startsWith("{") ? new TextDecoder().decode(bytes) : null;
  const found = text === null ? null : settingsInText(text);
  if (found) return found;
  throw new Error(`${file.name} holds no settings: PNG and GIF files saved here or by orojar traverse do, and the JSON of this page`);
}
