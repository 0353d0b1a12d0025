//! JSON to and from `google.protobuf.Struct`.

use std::fmt;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as WireValue};
use serde_json::{Map, Number, Value};

/// The deepest nesting of a document that a server takes; the root object is level 1.
const DEPTH_MAX: usize = 32;

/// Beyond it, not every integer is a double.
const INTEGER_MAX: f64 = (1u64 << 53) as f64;

/// What cannot be sent, and where it stands in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsendable {
    /// As JavaScript would write it, from the root: `.members[2]["odd name"]`; empty: the root itself.
    pub path: String,
    /// What is wrong.
    pub problem: String,
}

impl Unsendable {
    pub(crate) fn new(problem: String) -> Self {
        Self { path: String::new(), problem }
    }

    pub(crate) fn in_member(self, key: &str) -> Self {
        Self { path: step(key) + &self.path, ..self }
    }

    fn in_element(self, index: usize) -> Self {
        Self { path: format!("[{index}]{}", self.path), ..self }
    }
}

/// The way into a member: `.name`, or `["odd name"]`.
pub(crate) fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|each| each.is_alphanumeric() || each == '_');
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem } = self;
        if path.is_empty() { f.write_str(problem) } else { write!(f, "{path}: {problem}") }
    }
}

/// The message of a document.
pub fn to_struct(document: Map<String, Value>) -> Result<Struct, Unsendable> {
    to_object(document, 1)
}

/// A value that lies in a container at level `depth`.
pub fn to_value(value: Value, depth: usize) -> Result<WireValue, Unsendable> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => Kind::NumberValue(to_double(&number)?),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(list) => Kind::ListValue(ListValue { values: to_list(list, depth + 1)? }),
        Value::Object(object) => Kind::StructValue(to_object(object, depth + 1)?),
    };
    Ok(WireValue { kind: Some(kind) })
}

pub fn to_list(list: Vec<Value>, depth: usize) -> Result<Vec<WireValue>, Unsendable> {
    check_depth(depth)?;
    let element = |(index, element)| to_value(element, depth).map_err(|problem| problem.in_element(index));
    list.into_iter().enumerate().map(element).collect()
}

fn to_object(object: Map<String, Value>, depth: usize) -> Result<Struct, Unsendable> {
    check_depth(depth)?;
    let fields = object.into_iter().map(|(key, member)| match to_value(member, depth) {
        Ok(member) => Ok((key, member)),
        Err(problem) => Err(problem.in_member(&key)),
    });
    Ok(Struct { fields: fields.collect::<Result<_, Unsendable>>()? })
}

fn to_double(number: &Number) -> Result<f64, Unsendable> {
    // With serde_json's `arbitrary_precision` a number may be larger than any double.
    let double = number.as_f64().filter(|double| double.is_finite());
    let double = double.ok_or_else(|| Unsendable::new(format!("{number} is not a double")))?;
    if double.abs() >= INTEGER_MAX && loses_digits(number, double) {
        return Err(Unsendable::new(format!("{number} is no double: put integers beyond 2^53 into strings")));
    }
    Ok(double)
}

/// Whether an integer is stored as another one.
fn loses_digits(number: &Number, double: f64) -> bool {
    let text = number.to_string();
    let is_integer = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_integer && format!("{double:.0}") != text
}

fn check_depth(depth: usize) -> Result<(), Unsendable> {
    if depth > DEPTH_MAX { Err(Unsendable::new(format!("nested over {DEPTH_MAX} levels"))) } else { Ok(()) }
}

/// A document of a message.
pub fn from_struct(message: Struct) -> Map<String, Value> {
    message.fields.into_iter().map(|(key, member)| (key, from_value(member))).collect()
}

pub fn from_value(message: WireValue) -> Value {
    match message.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(double)) => from_double(double),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(from_list(list.values)),
        Some(Kind::StructValue(object)) => Value::Object(from_struct(object)),
    }
}

pub fn from_list(messages: Vec<WireValue>) -> Vec<Value> {
    messages.into_iter().map(from_value).collect()
}

/// Integers as such, or else neither `as_u64` nor `Deserialize` would take them. -0 would lose its sign.
fn from_double(double: f64) -> Value {
    let negative_zero = double == 0.0 && double.is_sign_negative();
    if double.fract() == 0.0 && double.abs() <= INTEGER_MAX && !negative_zero {
        Value::from(double as i64)
    } else {
        Value::from(double)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roundtrip(value: Value) -> Value {
        from_value(to_value(value, 1).unwrap())
    }

    #[test]
    fn integers_come_back_as_integers() {
        for value in
            [json!(0), json!(-1), json!(9007199254740991u64), json!(-9007199254740991i64), json!(0.5), json!(-0.0)]
        {
            assert_eq!(roundtrip(value.clone()), value);
        }
        assert_eq!(roundtrip(json!(3.0)), json!(3));
        assert_eq!(roundtrip(json!(1u64 << 63)), json!(9223372036854775808.0));
        assert_eq!(roundtrip(json!(1e300)), json!(1e300));
    }

    #[test]
    fn depth() {
        let nested = |levels: usize| {
            let inner = (1..levels)
                .fold(json!({}), |value, level| if level % 2 == 0 { json!({ "o": value }) } else { json!([value]) });
            let Value::Object(object) = json!({ "root": inner }) else { unreachable!() };
            to_struct(object)
        };
        assert!(nested(31).is_ok());
        assert_eq!(nested(32).unwrap_err().problem, "nested over 32 levels");
    }

    #[test]
    fn integers_that_are_no_doubles() {
        let refused = |value: Value| to_value(value, 1).unwrap_err();
        for number in [json!(9007199254740993u64), json!(-9007199254740993i64), json!(u64::MAX), json!(i64::MAX)] {
            assert!(refused(number.clone()).problem.starts_with(&number.to_string()), "{number}");
        }
        for number in [json!(9007199254740992u64), json!(i64::MIN), json!(9007199254740994u64), json!(1e300)] {
            assert!(to_value(number.clone(), 1).is_ok(), "{number}");
        }
        let nested = json!({ "members": [{ "id": 1 }, { "odd \"name\"": u64::MAX, "id": 2 }] });
        assert_eq!(refused(nested).path, r#".members[1]["odd \"name\""]"#);
    }
}
