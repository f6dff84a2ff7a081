// Light and dark, paper, and where in the page the reader is.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.querySelector("button.theme");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
const nameTheme = () => (themeButton.textContent = isDark() ? "Light" : "Dark");
themeButton.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  drawAll();
});
dark.addEventListener("change", () => { nameTheme(); drawAll(); });

// Paper is white, whatever the screen shows, and folds nothing but the checks that hold.
let themeBefore;
addEventListener("beforeprint", () => {
  themeBefore = root.dataset.theme;
  root.dataset.theme = "light";
  onPaper = true;
  document.querySelectorAll("details:not(.screen)").forEach((one) => (one.open = true));
  drawAll();
});
addEventListener("afterprint", () => {
  onPaper = false;
  if (themeBefore) root.dataset.theme = themeBefore; else delete root.dataset.theme;
  drawAll();
});

const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    links.forEach((link) => link.removeAttribute("aria-current"));
    const link = links.get(target.id);
    link.setAttribute("aria-current", "true");
    link.parentElement.scrollTo({ left: link.offsetLeft - link.parentElement.clientWidth / 2 });
  }
}, { rootMargin: "-15% 0px -75% 0px" });
links.forEach((_, id) => reading.observe(document.getElementById(id)));

nameTheme();
drawAll();
charts.forEach(addTools);
document.querySelectorAll(".chart").forEach((host) => resized.observe(host));
root.dataset.charts = String(drawn.size);
