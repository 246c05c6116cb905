// Shows times in the browser's own zone. Without scripts they stay as they came, in UTC.
(() => {
  const lang = document.documentElement.lang;
  const locale = lang === 'en' ? 'en-GB' : lang; // day before month, 24 hours: as the portal writes them
  const day = { day: 'numeric', month: 'short', year: 'numeric' };
  const moment = { ...day, hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' };

  const show = (root) => {
    for (const time of root.querySelectorAll('time[data-zone]')) {
      const kind = time.dataset.zone;
      const date = new Date(time.dateTime);
      delete time.dataset.zone;
      if (Number.isNaN(date.valueOf()) || date.getTimezoneOffset() === 0) continue;
      const text = date.toLocaleString(locale, kind === 'day' ? day : moment);
      if (kind === 'title') time.title = text;
      else time.textContent = text;
    }
  };

  show(document);
  document.addEventListener('htmx:load', (event) => show(event.detail.elt));
})();
