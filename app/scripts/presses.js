// For somebody who is quicker than the answers: no press is lost, and no swap takes them from their place.
(() => {
  const formKey = (form) => form && [form.getAttribute('hx-post'), ...[...form.elements]
    .filter((field) => field.type === 'hidden' && field.name !== 'csrf_token')
    .map((field) => `${field.name}=${field.value}`)].join(' ');
  const key = (one) => one.id || [one.tagName, formKey(one.form), one.getAttribute('href'), one.name,
    one.getAttribute('value'), one.textContent.trim()].join(' ');
  const typesText = (one) => one.matches('textarea, input:not([type=radio], [type=checkbox], [type=hidden])');

  // -- a press while an earlier one is under way: it waits, since the answer may replace its form ----
  const waiting = new Map(); // by the form's key
  const polls = new Set(); // whose answer came meanwhile, and might have replaced the form under way
  let underWay = 0;

  const pressAgain = (wanted, typed) => {
    const form = [...document.forms].find((one) => formKey(one) === wanted);
    if (!form) return false; // the page no longer offers it
    for (const field of form.elements) {
      if (field.type === 'radio') field.checked = typed.get(field.name) === field.value;
      else if (typesText(field) && typed.has(field.name)) field.value = typed.get(field.name);
    }
    form.requestSubmit();
    return true;
  };

  document.addEventListener('htmx:confirm', (event) => {
    const { verb, elt } = event.detail;
    if (verb === 'get' || !underWay) return;
    event.preventDefault();
    waiting.set(formKey(elt), new FormData(elt));
  });
  document.addEventListener('htmx:beforeRequest', ({ detail }) => {
    if (detail.requestConfig.verb === 'get') return;
    underWay += 1;
    detail.xhr.addEventListener('loadend', () => {
      underWay -= 1;
      for (const [wanted, typed] of waiting) {
        waiting.delete(wanted);
        if (pressAgain(wanted, typed)) return;
      }
      for (const poll of polls) htmx.trigger(poll, 'again');
      polls.clear();
    });
  });

  // -- a press that does not get through: it says so, and what is polled is asked for again ----------
  const unsay = () => document.querySelectorAll('main > [data-unsent]').forEach((one) => one.remove());

  document.addEventListener('htmx:sendError', ({ detail }) => {
    const { elt, verb } = detail.requestConfig;
    unsay();
    const said = document.getElementById('unsent').content.firstElementChild.cloneNode(true);
    said.dataset.unsent = '';
    document.getElementById('main').prepend(said);
    if (verb === 'get') {
      setTimeout(() => htmx.trigger(elt, 'again'), 3000);
      return;
    }
    if (document.activeElement === document.body) elt.querySelector('button').focus(); // it was disabled meanwhile
    said.scrollIntoView();
  });
  document.addEventListener('htmx:beforeSwap', unsay);

  // -- a swap around somebody who has gone on to something else since their press -------------------
  let place = null;

  document.addEventListener('htmx:beforeSwap', (event) => {
    const { detail } = event;
    const at = document.activeElement;
    const { elt, verb } = detail.requestConfig;
    if (verb === 'get' && underWay && detail.shouldSwap) {
      event.preventDefault();
      polls.add(elt);
      return;
    }
    const goneOn = at !== document.body && detail.target.contains(at) && (verb === 'get' || !elt.contains(at));
    place = goneOn && {
      key: key(at),
      typed: typesText(at) && at.value !== at.defaultValue ? [at.value, at.selectionStart, at.selectionEnd] : null,
      around: at.closest('[id]')?.id,
    };
  });
  document.addEventListener('htmx:afterSettle', () => {
    if (!place) return;
    const { key: wanted, typed, around } = place;
    place = null;
    const all = document.querySelectorAll('a, button, input, select, summary, textarea, [tabindex]');
    const twin = [...all].find((one) => key(one) === wanted);
    if (twin) {
      twin.closest('details')?.setAttribute('open', '');
      twin.focus();
      if (typed) {
        twin.value = typed[0];
        if (typed[1] !== null) twin.setSelectionRange(typed[1], typed[2]);
      }
    } else if (document.activeElement === document.body) { // what they were at is gone: stay beside it
      const near = document.getElementById(around);
      near?.setAttribute('tabindex', '-1');
      near?.focus();
    }
  });
})();
