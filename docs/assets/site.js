/* What the theme leaves out for people who use a screen reader or the keyboard only. */
"use strict";

/** Name the search, and let the keyboard scroll a table that is wider than the page. */
function reach() {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const region of document.querySelectorAll(".md-typeset__scrollwrap")) {
    const wide = region.scrollWidth > region.clientWidth;
    const values = { tabindex: "0", role: "group", "aria-label": "Wide table" };
    for (const [name, value] of Object.entries(values)) {
      if (wide) region.setAttribute(name, value);
      else region.removeAttribute(name);
    }
  }
}

addEventListener("load", reach);
addEventListener("resize", reach);
