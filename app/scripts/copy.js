// Buttons that copy the text of an element: shown only here, since without scripts they do nothing.
(() => {
  const show = (root) => {
    for (const button of root.querySelectorAll('[data-copy][hidden]')) button.hidden = false;
  };

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy]');
    if (!button) return;
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      document.getElementById('announce').textContent = button.dataset.said;
    } catch {
      window.getSelection().selectAllChildren(text); // no clipboard for this page: to be copied by hand
    }
  });

  show(document);
  document.addEventListener('htmx:load', (event) => show(event.detail.elt));
})();
