"use strict";
document.querySelector("#attack")?.addEventListener("change", (event) => {
  const wanted = event.target.value;
  const hide = (part, attack) => part.classList.toggle("away", wanted !== "" && attack !== wanted);
  for (const part of document.querySelectorAll("[data-attack]")) hide(part, part.dataset.attack);
  for (const cell of document.querySelectorAll("td.attack")) hide(cell.parentNode, cell.textContent.trim());
});

for (const table of document.querySelectorAll("table:not(.matrix)")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const numbers = heading.classList.contains("number");
      const order = (one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
        const sign = numbers ? a - b : a.localeCompare(b, undefined, { numeric: true });
        return ascending ? sign : -sign;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
