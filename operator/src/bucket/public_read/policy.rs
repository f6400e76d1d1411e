//! A bucket's policy with our statement, or without it. Pure; what is not ours stays as it is written, byte for byte.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use crate::store_id::partition;

/// Name of our statement in a policy.
pub const SID: &str = "ResizeOperatorPublicRead";
/// The list of statements in a policy.
const STATEMENTS: &str = "Statement";

/// What to do with a bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It is as it should be.
    Keep,
    /// Write this one.
    Put(String),
    /// Remove it.
    Delete,
}

/// Brings our statement, which lets everybody read the objects of `bucket`, into the `live` policy.
pub fn add(live: Option<&str>, bucket: &str, region: &str) -> Result<Plan, serde_json::Error> {
    let wanted = statement(bucket, region);
    let mut policy = match live {
        Some(live) => serde_json::from_str::<Policy>(live)?,
        None => Policy([("Version".to_owned(), to_raw_value("2012-10-17")?)].into()),
    };
    let mut statements = policy.statements()?;
    match statements.iter().position(|statement| is_ours(statement)) {
        Some(at) if normal(serde_json::from_str(statements[at].get())?) == normal(wanted.clone()) => return Ok(Plan::Keep),
        Some(at) => statements[at] = to_raw_value(&wanted)?,
        None => statements.push(to_raw_value(&wanted)?),
    }
    policy.set_statements(&statements)?;
    Ok(Plan::Put(serde_json::to_string(&policy)?))
}

/// Takes our statement out of the `live` policy.
pub fn remove(live: Option<&str>) -> Result<Plan, serde_json::Error> {
    let Some(live) = live else { return Ok(Plan::Keep) };
    let mut policy: Policy = serde_json::from_str(live)?;
    let mut statements = policy.statements()?;
    let count = statements.len();
    statements.retain(|statement| !is_ours(statement));
    if statements.len() == count {
        return Ok(Plan::Keep);
    }
    // a policy without statements is none
    if statements.is_empty() {
        return Ok(Plan::Delete);
    }
    policy.set_statements(&statements)?;
    Ok(Plan::Put(serde_json::to_string(&policy)?))
}

fn statement(bucket: &str, region: &str) -> Value {
    json!({
        "Sid": SID,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": format!("arn:{}:s3:::{bucket}/*", partition(region)),
    })
}

fn is_ours(statement: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "Sid")]
        sid: Option<String>,
    }
    serde_json::from_str::<Named>(statement.get()).is_ok_and(|named| named.sid.as_deref() == Some(SID))
}

/// Stores write the same in several ways: one text or a list of one, everybody or every AWS account.
fn normal(mut statement: Value) -> Value {
    for field in statement.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        if let Value::Object(principal) = field
            && principal.len() == 1
            && let Some(everybody) = principal.remove("AWS")
        {
            *field = everybody;
        }
        if let Value::Array(list) = field
            && list.len() == 1
        {
            *field = list.remove(0);
        }
    }
    statement
}

/// The fields of a policy in their order, each as it is written.
#[derive(Debug, Deserialize, Serialize)]
struct Policy(IndexMap<String, Box<RawValue>>);

impl Policy {
    /// The statements; a single one may stand without a list.
    fn statements(&self) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
        let Some(value) = self.0.get(STATEMENTS) else { return Ok(Vec::new()) };
        if value.get().starts_with('[') { serde_json::from_str(value.get()) } else { Ok(vec![value.clone()]) }
    }

    fn set_statements(&mut self, statements: &[Box<RawValue>]) -> Result<(), serde_json::Error> {
        // in the place of the old one, if there is one
        self.0.insert(STATEMENTS.to_owned(), to_raw_value(statements)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn put(plan: Plan) -> String {
        match plan {
            Plan::Put(policy) => policy,
            other => panic!("want Put, got {other:?}"),
        }
    }

    #[test]
    fn creates_a_policy_where_there_is_none_and_removes_it() {
        let live = put(add(None, "photos", "eu-central-1").unwrap());
        assert_eq!(
            live,
            r#"{"Version":"2012-10-17","Statement":[{"Action":"s3:GetObject","Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::photos/*","Sid":"ResizeOperatorPublicRead"}]}"#
        );
        assert_eq!(add(Some(&live), "photos", "eu-central-1").unwrap(), Plan::Keep);
        assert_eq!(remove(Some(&live)).unwrap(), Plan::Delete);
        assert_eq!(remove(None).unwrap(), Plan::Keep);
    }

    #[test]
    fn what_others_wrote_stays_byte_for_byte() {
        let theirs = r#"{ "Sid":"B", "Effect" : "Deny","Principal":{"AWS":["2","1"]}, "Action":"s3:*","Resource":"*","Condition":{"NumericLessThan":{"a":1.0e2}} }"#;
        let before = format!(r#"{{"Id":"x","Statement":[{theirs}],"Version":"2008-10-17"}}"#);
        let during = put(add(Some(&before), "photos", "eu-central-1").unwrap());
        assert!(during.starts_with(&format!(r#"{{"Id":"x","Statement":[{theirs},{{"#)), "{during}");
        assert_eq!(put(remove(Some(&during)).unwrap()), before);
        let single = format!(r#"{{"Version":"2012-10-17","Statement":{theirs}}}"#);
        assert!(put(add(Some(&single), "photos", "eu-central-1").unwrap()).contains(theirs));
    }

    #[test]
    fn the_same_in_other_words_is_kept_and_anything_else_is_put_right() {
        let written = r#"{"Statement":[{"Sid":"ResizeOperatorPublicRead","Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::photos/*"]}]}"#;
        assert_eq!(add(Some(written), "photos", "eu-central-1").unwrap(), Plan::Keep);
        let changed = written.replace("Allow", "Deny");
        assert!(put(add(Some(&changed), "photos", "eu-central-1").unwrap()).contains(r#""Effect":"Allow""#));
        assert!(put(add(None, "photos", "cn-north-1").unwrap()).contains("arn:aws-cn:s3:::photos/*"));
        assert!(add(Some("no JSON"), "photos", "eu-central-1").is_err());
    }

    fn any_statement() -> impl Strategy<Value = String> {
        ("[A-Za-z0-9]{0,12}", " {0,2}", "[a-zA-Z:*]{1,12}", any::<bool>()).prop_map(|(sid, space, action, named)| {
            let sid = if named { format!(r#""Sid":{space}"{sid}","#) } else { String::new() };
            format!(r#"{{{sid}"Resource":"*",{space}"Action":"{action}","Effect":"Deny"}}"#)
        })
    }

    proptest! {
        #[test]
        fn adding_then_removing_gives_back_the_start(statements in vec(any_statement(), 1..5), ours_first in any::<bool>()) {
            let before = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
            let during = put(add(Some(&before), "photos", "eu-central-1").unwrap());
            prop_assert_eq!(add(Some(&during), "photos", "eu-central-1").unwrap(), Plan::Keep);
            prop_assert!(statements.iter().all(|statement| during.contains(statement)));
            if ours_first {
                // somebody moved it: it is known by its name
                let policy: Policy = serde_json::from_str(&during).unwrap();
                let mut moved = policy.statements().unwrap();
                moved.rotate_right(1);
                let moved = format!(r#"{{"Version":"2012-10-17","Statement":{}}}"#, serde_json::to_string(&moved).unwrap());
                prop_assert_eq!(put(remove(Some(&moved)).unwrap()), before);
            } else {
                prop_assert_eq!(put(remove(Some(&during)).unwrap()), before);
            }
        }
    }
}
