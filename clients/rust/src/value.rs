//! JSON to and from `google.protobuf.Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as WireValue};
use serde_json::{Map, Number, Value};

/// The deepest nesting of a document that a server takes; the root object is level 1.
const DEPTH_MAX: usize = 32;

/// Beyond it, not every integer is a double.
const INTEGER_MAX: f64 = (1u64 << 53) as f64;

/// The error says what cannot be sent.
pub fn to_struct(document: Map<String, Value>) -> Result<Struct, String> {
    to_object(document, 1)
}

/// A value that lies in a container at level `depth`.
pub fn to_value(value: Value, depth: usize) -> Result<WireValue, String> {
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

pub fn to_list(list: Vec<Value>, depth: usize) -> Result<Vec<WireValue>, String> {
    check_depth(depth)?;
    list.into_iter().map(|element| to_value(element, depth)).collect()
}

fn to_object(object: Map<String, Value>, depth: usize) -> Result<Struct, String> {
    check_depth(depth)?;
    let fields = object.into_iter().map(|(key, member)| Ok((key, to_value(member, depth)?)));
    Ok(Struct { fields: fields.collect::<Result<_, String>>()? })
}

fn to_double(number: &Number) -> Result<f64, String> {
    // With serde_json's `arbitrary_precision` a number may be larger than any double.
    number.as_f64().filter(|double| double.is_finite()).ok_or_else(|| format!("{number} is not a double"))
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX { Err(format!("nested over {DEPTH_MAX} levels")) } else { Ok(()) }
}

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
        assert_eq!(roundtrip(json!(u64::MAX)), json!(18446744073709551616.0));
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
        assert_eq!(nested(32).unwrap_err(), "nested over 32 levels");
    }
}
