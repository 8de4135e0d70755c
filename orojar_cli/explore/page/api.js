// Calls of the server: the session's token, one newest request a lane, answers in order.

const parameters = new URLSearchParams(location.hash.slice(1));
export const token = parameters.get("token") ?? "";

// Another name for every page that is opened, a duplicated tab included.
const tab = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Which of the networks that are open this page shows: the name it was opened by, empty for the first.
const SHOWN = "orojar:source";
export const source = sessionStorage.getItem(SHOWN) ?? "";

export function showSource(name) {
  sessionStorage.setItem(SHOWN, name);
  location.reload();
}

// Of calls that must not take one another's place each has a name of its own.
let calls = 0;
export const ticket = () => ({ client: `${tab}:call${(calls += 1)}`, number: 0 });

export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function call(name, document, signal) {
  const headers = { "X-Orojar-Token": token };
  const options = { headers, signal, cache: "no-store" };
  if (document !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify({ source, ...document }) });
  }
  let response;
  try {
    response = await fetch(`api/${name}`, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new CallError("The explorer no longer answers; start it again in its terminal.", 0);
  }
  if (!response.ok) throw new CallError(await response.text(), response.status);
  return response;
}

// Requests of one kind of which only the newest counts: while one is under way the next waits here, and a third takes its place.
// What is under way is let finish, so that a picture follows the pointer while it moves.
export class Lane {
  constructor(name, client) {
    this.name = name;
    this.client = `${tab}:${client}:${name}`;
    this.number = 0;
    this.control = null;
    this.waiting = null;
  }

  get busy() {
    return this.control !== null || this.waiting !== null;
  }

  // The answer, or null where something newer was asked for before this was drawn.
  async ask(document) {
    if (this.busy) {
      this.waiting?.(false);
      let mine;
      const turn = await new Promise((resolve) => (this.waiting = mine = resolve));
      if (this.waiting === mine) this.waiting = null;
      if (!turn) return null;
    }
    this.number += 1;
    const control = (this.control = new AbortController());
    try {
      const response = await call(this.name, { ...document, client: this.client, number: this.number }, control.signal);
      return response.status === 204 ? null : await response.blob();
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    } finally {
      this.control = null;
      this.waiting?.(true);
    }
  }

  cancel() {
    this.control?.abort();
  }
}
