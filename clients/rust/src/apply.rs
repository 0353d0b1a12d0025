//! Applying the changes of a delta to a document.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::model::{Action, Change, Delta, Document};

/// A change that does not fit the document, or a delta in another format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change at {path:?}: {problem}")]
pub struct DeltaMismatch {
    /// Of the change, from the root.
    pub path: Vec<String>,
    /// What does not fit.
    pub problem: &'static str,
}

impl Delta {
    /// Applies the changes, as [`apply`] does, and refuses a delta in another format, whose `changes` are empty.
    pub fn apply_to(&self, document: &mut Document) -> Result<(), DeltaMismatch> {
        if self.formatted.is_some() || self.inexpressible.is_some() {
            return Err(DeltaMismatch { path: Vec::new(), problem: "the changes came in another format" });
        }
        apply(document, &self.changes)
    }
}

/// Applies changes in their order, all or nothing: at the first one that does not fit, the document is as it was.
///
/// Costs what the changes do, and not what the document does. Old values are not compared with what is there.
pub fn apply(document: &mut Document, changes: &[Change]) -> Result<(), DeltaMismatch> {
    apply_reversibly(document, changes).map(|_| ())
}

/// An action that takes one of the changes back, at its path.
pub(crate) type Inverse<'a> = (&'a Vec<String>, Action);

/// As `apply`; answers what `revert` takes.
pub(crate) fn apply_reversibly<'a>(
    document: &mut Document,
    changes: &'a [Change],
) -> Result<Vec<Inverse<'a>>, DeltaMismatch> {
    let mut done = Vec::with_capacity(changes.len());
    for Change { path, action } in changes {
        match apply_one(document, path, action) {
            Ok(inverse) => done.push((path, inverse)),
            Err(problem) => {
                revert(document, done);
                return Err(DeltaMismatch { path: path.clone(), problem });
            }
        }
    }
    Ok(done)
}

pub(crate) fn revert(document: &mut Document, done: Vec<Inverse>) {
    for (path, inverse) in done.into_iter().rev() {
        apply_one(document, path, &inverse).expect("what was done can be undone");
    }
}

/// Answers the action that takes it back, or what is wrong.
fn apply_one(document: &mut Document, path: &[String], action: &Action) -> Result<Action, &'static str> {
    let (key, parents) = path.split_last().ok_or("a path needs a key")?;
    let mut parent = document;
    for step in parents {
        parent =
            parent.get_mut(step).and_then(Value::as_object_mut).ok_or("leads through something that is no object")?;
    }
    act(parent, key, action)
}

fn act(parent: &mut Map<String, Value>, key: &str, action: &Action) -> Result<Action, &'static str> {
    match (action, parent.entry(key)) {
        (Action::Added { value }, Entry::Vacant(entry)) => {
            entry.insert(value.clone());
            Ok(Action::Removed { old: None })
        }
        (Action::Added { .. }, _) => Err("is there already"),
        (Action::Unknown, _) => Err("a change of an unknown kind"),
        (_, Entry::Vacant(_)) => Err("is not there"),
        (Action::Modified { value, .. }, Entry::Occupied(mut entry)) => {
            Ok(Action::Modified { value: entry.insert(value.clone()), old: None })
        }
        (Action::Removed { .. }, Entry::Occupied(entry)) => Ok(Action::Added { value: entry.remove() }),
        (Action::Spliced { index, removed_count, inserted, .. }, Entry::Occupied(mut entry)) => {
            splice(entry.get_mut(), *index, *removed_count, inserted)
        }
        (Action::TextSpliced { index, removed_count, inserted, .. }, Entry::Occupied(mut entry)) => {
            splice_text(entry.get_mut(), *index, *removed_count, inserted)
        }
    }
}

fn splice(list: &mut Value, index: u32, removed_count: u32, inserted: &[Value]) -> Result<Action, &'static str> {
    let list = list.as_array_mut().ok_or("no list to splice")?;
    // Both are u32: their sum may not be one.
    let (from, end) = (u64::from(index), u64::from(index) + u64::from(removed_count));
    if end > list.len() as u64 {
        return Err("splices beyond the end of the list");
    }
    let removed = list.splice(from as usize..end as usize, inserted.iter().cloned()).collect();
    Ok(Action::Spliced { index, removed_count: inserted.len() as u32, inserted: removed, removed: None })
}

fn splice_text(value: &mut Value, index: u32, removed_count: u32, inserted: &str) -> Result<Action, &'static str> {
    let Value::String(text) = value else { return Err("no string to splice") };
    const BEYOND: &str = "splices beyond the end of the string";
    let from = byte_offset(text, index).ok_or(BEYOND)?;
    let end = from + byte_offset(&text[from..], removed_count).ok_or(BEYOND)?;
    let removed = text[from..end].to_owned();
    text.replace_range(from..end, inserted);
    let removed_count = inserted.chars().count() as u32;
    Ok(Action::TextSpliced { index, removed_count, inserted: removed, removed: None })
}

/// Where the code point with this number begins, or the end of the text for the number behind the last one.
fn byte_offset(text: &str, points: u32) -> Option<usize> {
    text.char_indices().map(|(offset, _)| offset).chain([text.len()]).nth(points as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(path: &[&str], action: Action) -> Change {
        Change { path: path.iter().map(ToString::to_string).collect(), action }
    }

    #[test]
    fn every_action_is_taken_back() {
        let before = json!({ "o": { "a": 1, "b": null }, "l": [1, 2, 3], "t": "\u{1d11e}\u{1d120}bc" })
            .as_object()
            .unwrap()
            .clone();
        let mut document = before.clone();
        let changes = [
            change(&["o", "c"], Action::Added { value: json!({}) }),
            change(&["o", "c", "d"], Action::Added { value: json!(1) }),
            change(&["o", "a"], Action::Modified { value: json!({ "x": 1 }), old: None }),
            change(&["o", "b"], Action::Removed { old: None }),
            change(&["l"], Action::Spliced { index: 1, removed_count: 2, inserted: vec![json!("x")], removed: None }),
            change(&["l"], Action::Spliced { index: 2, removed_count: 0, inserted: vec![json!([])], removed: None }),
            change(
                &["t"],
                Action::TextSpliced { index: 1, removed_count: 2, inserted: "\u{1d11e}!".into(), removed: None },
            ),
            change(&["o", "nowhere", "x"], Action::Removed { old: None }),
        ];
        apply(&mut document, &changes[..7]).unwrap();
        assert_eq!(
            Value::from(document),
            json!({ "o": { "a": { "x": 1 }, "c": { "d": 1 } }, "l": [1, "x", []], "t": "\u{1d11e}\u{1d11e}!c" })
        );

        let mut document = before.clone();
        let mismatch = apply(&mut document, &changes).unwrap_err();
        assert_eq!(mismatch.path, ["o", "nowhere", "x"]);
        assert_eq!(document, before);
    }
}
