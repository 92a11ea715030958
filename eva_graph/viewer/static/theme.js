// Light or dark: as the system is, until somebody chooses.

/** Takes up an earlier choice; the function returned changes it. */
export function prepareTheme() {
  const root = document.documentElement;
  const kept = stored();
  if (kept) root.dataset.theme = kept;
  return () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("eva-graph-theme", root.dataset.theme);
    } catch {
      // a browser may refuse storage to a file: the choice then lasts as long as the page
    }
  };
}

function stored() {
  try {
    const theme = localStorage.getItem("eva-graph-theme");
    return theme === "dark" || theme === "light" ? theme : null;
  } catch {
    return null;
  }
}
