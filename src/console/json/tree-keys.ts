/** The keyboard of a tree: one stop for the Tab key, arrows inside (the pattern `treeview` of WAI-ARIA). */

function rowsOf(tree: HTMLElement): HTMLElement[] {
  return [...tree.querySelectorAll<HTMLElement>('[role=treeitem]')];
}

export function onTreeKey(event: KeyboardEvent): void {
  const row = event.target as HTMLElement;
  if (row.role !== 'treeitem' || event.altKey || event.ctrlKey || event.metaKey) return;
  const rows = rowsOf(event.currentTarget as HTMLElement);
  const at = rows.indexOf(row);
  const expanded = row.getAttribute('aria-expanded');
  const to = (next: HTMLElement | undefined) => next?.focus();
  switch (event.key) {
    case 'ArrowDown':
      to(rows[at + 1]);
      break;
    case 'ArrowUp':
      to(rows[at - 1]);
      break;
    case 'Home':
      to(rows[0]);
      break;
    case 'End':
      to(rows.at(-1));
      break;
    case 'ArrowRight':
      if (expanded === 'false') row.click();
      else if (expanded === 'true') to(rows[at + 1]);
      break;
    case 'ArrowLeft':
      if (expanded === 'true') row.click();
      else to(rows.slice(0, at).findLast((each) => Number(each.ariaLevel) < Number(row.ariaLevel)));
      break;
    case 'Enter':
    case ' ':
      row.click();
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** Of the rows, the last one that had the focus gets it; meanwhile the tree itself is no stop, so that Tab leaves it. */
export function onTreeFocus(event: FocusEvent): void {
  const tree = event.currentTarget as HTMLElement;
  if (event.target !== tree) {
    for (const row of tree.querySelectorAll('[data-last]')) row.removeAttribute('data-last');
    (event.target as HTMLElement).closest('[role=treeitem]')?.setAttribute('data-last', '');
    tree.tabIndex = -1;
    return;
  }
  (tree.querySelector<HTMLElement>('[data-last]') ?? rowsOf(tree)[0])?.focus();
}

export function onTreeBlur(event: FocusEvent): void {
  const tree = event.currentTarget as HTMLElement;
  if (!tree.contains(event.relatedTarget as Node | null)) tree.tabIndex = 0;
}
