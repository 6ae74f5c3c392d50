/** HTML that cannot be broken out of: every value in a template is escaped, save what this module made itself. */
export class Html {
  constructor(readonly text: string) {}
}

export type Value = Html | string | number | null | undefined | readonly Html[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};
/** Characters that turn text around or hide it: a name must not look like another. */
const INVISIBLE = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

export function escaped(text: string): string {
  return text
    .replaceAll(INVISIBLE, (character) => (character === '\n' ? '\n' : '\ufffd'))
    .replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}

export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
}

function shown(value: Value): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value));
  return (value ?? []).map(({ text }) => text).join('');
}

/** A moment, in UTC, on one line. */
export function moment(at: Date | null): Html {
  if (at === null) return html``;
  const iso = at.toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 23)} UTC</time>`;
}

export const code = (text: string): Html => html`<code>${text}</code>`;

/** A table; an empty one says so. */
export function table(heads: readonly string[], rows: readonly (readonly Value[])[]): Html {
  if (rows.length === 0) return html`<p>None.</p>`;
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${isWord(cell) ? html`<span class="word">${cell}</span>` : cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** One short word or number is not broken over lines; anything else may be, so that nothing is too wide. */
function isWord(cell: Value): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && /^[\w.-]{1,22}$/.test(cell));
}
