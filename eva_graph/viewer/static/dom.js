// Elements are built from text alone: nothing here, and nothing that uses it, parses markup.

/** An element. `on…` attributes are listeners, false and null ones are left out, true is "". */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Puts an element at a stretch of its parent's width; both ends are fractions. */
export function place(element, start, end = null) {
  element.style.left = `${(start * 100).toFixed(4)}%`;
  if (end !== null) element.style.width = `${(Math.max(0, end - start) * 100).toFixed(4)}%`;
  return element;
}
