//! YAML or JSON → values, within bounds. Pure.
//!
//! A text may be hostile: what aliases repeat is counted each time, and how deep it nests is looked at before it is parsed.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most bytes of a text.
pub const MOST: usize = 1 << 20;
/// Most brackets that are open at a time, and most directives: the parser looks at each of them again and again.
const MANY: usize = 1000;

/// All documents of `text`.
pub fn documents(text: &str) -> Result<Vec<Value>, serde_yaml_ng::Error> {
    if text.len() > MOST {
        return Err(Error::custom(format!("longer than {} MiB: want several files", MOST >> 20)));
    }
    if text.split("\n---").any(nests_too_deep) {
        return Err(Error::custom(format!("more than {MANY} brackets are open at a time")));
    }
    if text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).filter(|line| line.starts_with('%')).count() > MANY {
        return Err(Error::custom(format!("more than {MANY} directives")));
    }
    // a text without aliases never comes to more than this
    let room = Cell::new(2 * MOST);
    serde_yaml_ng::Deserializer::from_str(text).map(|document| Bounded(&room).deserialize(document)).collect()
}

fn nests_too_deep(document: &str) -> bool {
    let mut open = 0_usize;
    document.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > MANY
    })
}

/// Makes a value while there is room for it.
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    /// Takes the room of a value with a text of this length.
    fn take<E: Error>(&self, length: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(1 + length);
        self.0.set(left.ok_or_else(|| E::custom("its aliases repeat too much"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what JSON can hold")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.take(0).map(|()| Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.take(0).map(|()| value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.take(0).map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.take(0).map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.take(0)?;
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(format!("{value} is no number of JSON")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(value.len()).map(|()| value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Bounded(self.0))? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            self.take(name.len())?;
            all.insert(name, fields.next_value_seed(Bounded(self.0))?);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_what_json_can_hold() {
        let text = "a: [1, -2, 1.5, true, ~, text, &x { b: c }, *x]\n---\n{\"7\": 8}\n";
        let all = [json!({ "a": [1, -2, 1.5, true, null, "text", { "b": "c" }, { "b": "c" }] }), json!({ "7": 8 })];
        assert_eq!(documents(text).unwrap(), all);
        assert!(documents("a: .nan").unwrap_err().to_string().contains("NaN is no number of JSON"));
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        let bomb = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(100_000), "*a, ".repeat(100_000));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(100_000));
        for (text, says) in [
            (bomb, "aliases repeat too much"),
            (long, "aliases repeat too much"),
            ("[".repeat(200_000), "more than 1000 brackets"),
            (format!("a: b\n---\n{}", "{a: ".repeat(200_000)), "more than 1000 brackets"),
            ("- ".repeat(200_000), "recursion limit"),
            ("%TAG !a! x\r".repeat(50_000), "more than 1000 directives"),
            (" ".repeat(MOST + 1), "longer than 1 MiB"),
        ] {
            let error = documents(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert!(documents(&format!("a: [{}]", "x, ".repeat(300_000))).is_ok(), "what repeats nothing has room");
        assert!(documents(&"# a range: [0, 1)\n---\n".repeat(2000)).is_ok());
    }
}
