/** Fields that filter a view. The address holds their values in its query, so that a link shows the same. */
import { queryOf, setQuery } from "../route.ts";

export function SearchField({ placeholder }: { placeholder?: string }) {
  return (
    <label class="field">
      Text
      <input
        type="search"
        value={queryOf("text")}
        placeholder={placeholder}
        onInput={({ currentTarget }) => setQuery("text", currentTarget.value)}
      />
    </label>
  );
}

/** Whether these texts contain the text of the search field. */
export function isFound(...texts: readonly (string | number | null)[]): boolean {
  return texts.join(" ").toLowerCase().includes(queryOf("text").toLowerCase());
}

export function ChoiceField({
  label,
  name,
  options,
}: {
  label: string;
  /** The name of the filter in the query. */
  name: string;
  options: readonly string[];
}) {
  const value = queryOf(name);
  const isKnown = value === "" || options.includes(value);
  return (
    <label class="field">
      {label}
      <select value={value} onChange={({ currentTarget }) => setQuery(name, currentTarget.value)}>
        <option value="">all</option>
        {!isKnown && <option value={value}>{value}</option>}
        {options.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}
