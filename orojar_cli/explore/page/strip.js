// Pictures of the server, one below another, on canvases; and files for whoever asked.

// As many canvases in `element` as there are pictures, in about as many rows as columns; those that are there stay.
export function layOut(element, count) {
  const present = [...element.children];
  if (present.length !== count) {
    const columns = Math.ceil(Math.sqrt(count));
    element.replaceChildren(...Array.from({ length: count }, (_, index) => present[index] ?? document.createElement("canvas")));
    element.style.setProperty("--columns", columns);
    element.style.setProperty("--rows", Math.ceil(count / columns));
  }
  return [...element.children];
}

export function drawStrip(strip, canvases) {
  const height = strip.height / canvases.length;
  canvases.forEach((canvas, index) => {
    if (canvas.width !== strip.width) canvas.width = strip.width;
    if (canvas.height !== height) canvas.height = height;
    canvas.getContext("2d").drawImage(strip, 0, -index * height);
  });
}

export function download(file, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
