// Numbers as people write and read them.

// "0-3,6" as at most `most` numbers up to `largest`, or null where it is something else.
export function parseList(text, largest, most) {
  const numbers = [];
  for (const part of text.split(",")) {
    const match = /^\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*$/.exec(part);
    if (!match) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > largest || last - first >= most) return null;
    for (let number = first; number <= last; number += 1) if (!numbers.includes(number)) numbers.push(number);
  }
  return numbers.length <= most ? numbers : null;
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

export function scoreText(value) {
  if (value === 0) return "0";
  return value >= 100 || value < 0.001 ? value.toExponential(1) : value.toPrecision(2);
}
