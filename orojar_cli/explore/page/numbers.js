// Numbers and names as people write and read them.

const countWords = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

// "0-3,6" as at most `most` numbers up to `largest`.  Throws an error that says what about the text cannot be; `what` are its numbers.
export function parseList(text, largest, most, what) {
  const numbers = [];
  for (const part of text.split(",")) {
    const match = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part);
    if (!match) throw new Error(`“${text.trim().slice(0, 40)}” is not a list of ${what}; write a number, or a list such as 0-3,7`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (Math.max(first, last) > largest) throw new Error(`There is no ${what.replace(/s$/, "")} ${Math.max(first, last)}: the largest is ${largest}`);
    if (last < first) throw new Error(`“${part.trim()}” goes backwards; write ${last}-${first}`);
    const count = numbers.length + last - first + 1;
    if (last - first >= most) throw new Error(`${count} ${what} are too many: the most are ${countWords[most] ?? most}`);
    for (let number = first; number <= last; number += 1) if (!numbers.includes(number)) numbers.push(number);
  }
  if (numbers.length > most) throw new Error(`${numbers.length} ${what} are too many: the most are ${countWords[most] ?? most}`);
  return numbers;
}

// Numbers as "0-3,6".
export function listText(numbers) {
  const parts = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

// "+1.5", "−2", "0".
export function strengthText(value) {
  const text = String(Math.round(Math.abs(value) * 100) / 100);
  return value > 0 ? `+${text}` : value < 0 ? `−${text}` : "0";
}

// A strength in sigmas as the page shows it: in sigmas, or in the latent's own unit, of which one sigma has `sigma`.
export const shownStrength = (value, sigma, unit) => strengthText(unit === "latent" ? value * sigma : value);
export const unitText = (unit) => (unit === "latent" ? "units" : "sigmas");

// What a direction is called: by people, else by what was measured, else "".
export const shownName = (direction) => direction.label || direction.proposed?.text || "";

export function scoreText(value) {
  if (value === 0) return "0";
  return value >= 100 || value < 0.001 ? value.toExponential(1) : value.toPrecision(2);
}
