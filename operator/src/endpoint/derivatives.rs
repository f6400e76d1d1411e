//! `spec.derivatives` as written → what is to be run, parsed once: the schedule above all.

use std::time::Duration;

use cronexpr::{Crontab, MakeTimestamp, parse_crontab};
use jiff::{Timestamp, tz::TimeZone};
use resize_api::{ResizeEndpoint, Resolution, derivatives::Events};

use super::invalid::{InvalidField, invalid};

/// From when on the pauses of a schedule are looked at: the afternoon of a Friday.
const FROM: Timestamp = Timestamp::constant(1_704_459_600, 0);
/// How many runs are looked at: with one in each minute, more than a day.
const RUNS: usize = 1500;
/// How long they are looked at: more than a year.
const SPAN: Duration = Duration::from_hours(400 * 24);

/// How derivatives are kept true.
#[derive(Clone, Debug)]
pub struct Derivatives {
    /// The sweep, if there shall be one.
    pub sweep: Option<Sweep>,
    /// What is made where it is missing.
    pub warm: Vec<Resolution>,
    /// Where notifications come from, if they are followed.
    pub events: Option<Events>,
    /// ServiceAccount of the pods.
    pub service_account: Option<String>,
    /// Secret with their credentials.
    pub secret: Option<String>,
}

/// A sweep that runs again and again.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// As written, for the CronJob.
    pub schedule: String,
    /// As written.
    pub time_zone: Option<String>,
    /// Most derivatives that may go.
    pub max_deletions: String,
    /// Whether it only says what would go.
    pub dry_run: bool,
    /// Whether no further one is started.
    pub suspend: bool,
    /// The longest pause between two runs.
    pub interval: Duration,
    runs: Crontab,
}

impl Derivatives {
    /// What `resource` asks for, if it asks for anything.
    pub fn new(resource: &ResizeEndpoint) -> Result<Option<Self>, InvalidField> {
        let spec = &resource.spec;
        let Some(asked) = &spec.derivatives else { return Ok(None) };
        let warm = asked.warm.iter().map(|text| text.parse::<Resolution>()).collect::<Result<Vec<_>, _>>();
        Ok(Some(Self {
            sweep: asked.sweep.as_ref().map(Sweep::new).transpose()?,
            warm: warm.map_err(|error| invalid("derivatives.warm", error.to_string()))?,
            events: asked.events.clone(),
            service_account: asked.service_account_name.clone().or_else(|| spec.workload.service_account_name.clone()),
            secret: asked.credentials_secret_ref.as_ref().or(spec.bucket.credentials_secret_ref.as_ref()).map(|secret| secret.name.clone()),
        }))
    }
}

impl Sweep {
    fn new(asked: &resize_api::derivatives::Sweep) -> Result<Self, InvalidField> {
        let zone = asked.time_zone.as_deref().unwrap_or("UTC");
        TimeZone::get(zone)
            .map_err(|_| invalid("derivatives.sweep.timeZone", format!("`{zone}` is not known; want one such as Europe/Berlin")))?;
        let bad = |problem: String| invalid("derivatives.sweep.schedule", format!("`{}`: {problem}", asked.schedule));
        let fields = match asked.schedule.as_str() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            fields => fields,
        };
        let parse = |zone| parse_crontab(&format!("{fields} {zone}")).map_err(|error| bad(last_line(&error)));
        let interval = longest_pause(&parse("UTC")?);
        Ok(Self {
            schedule: asked.schedule.clone(),
            time_zone: asked.time_zone.clone(),
            max_deletions: asked.max_deletions.clone(),
            dry_run: asked.dry_run,
            suspend: asked.suspend,
            interval: interval.ok_or_else(|| bad("it does not come round within years".to_owned()))?,
            runs: parse(zone)?,
        })
    }

    /// The first run after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.runs.find_next(MakeTimestamp(now)).ok().map(|next| next.timestamp())
    }
}

/// The parser draws the text and an arrow below it.
fn last_line(error: &cronexpr::Error) -> String {
    let text = error.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    last.trim_matches([' ', '^']).to_owned()
}

/// The longest pause between two runs, without change of clocks.
fn longest_pause(runs: &Crontab) -> Option<Duration> {
    let mut last: Option<Timestamp> = None;
    let mut longest = None;
    for next in runs.iter_after(MakeTimestamp(FROM)).ok()?.take(RUNS) {
        let next = next.ok()?.timestamp();
        if let Some(pause) = last.and_then(|last| Duration::try_from(next.duration_since(last)).ok()) {
            longest = longest.max(Some(pause));
        }
        if longest.is_some() && next.duration_since(FROM).unsigned_abs() > SPAN {
            break;
        }
        last = Some(next);
    }
    longest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::fixtures::resource;

    fn sweep(schedule: &str, zone: Option<&str>) -> Result<Sweep, String> {
        let mut resource = resource();
        resource.spec.derivatives = Some(serde_json::from_value(json!({ "sweep": { "schedule": schedule, "timeZone": zone } })).unwrap());
        Derivatives::new(&resource).map(|all| all.unwrap().sweep.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_pause_between_two_runs_is_known() {
        let hours = |hours| Duration::from_hours(hours);
        for (schedule, pause) in [
            ("17 3 * * *", hours(24)),
            ("@daily", hours(24)),
            ("@hourly", hours(1)),
            ("*/15 * * * *", Duration::from_mins(15)),
            ("*/5 8-17 * * *", Duration::from_mins(14 * 60 + 5)),
            ("* * * * 1-5", Duration::from_mins(48 * 60 + 1)),
            ("0 3 * * MON-FRI", hours(72)),
            ("@weekly", hours(7 * 24)),
            ("@monthly", hours(31 * 24)),
            ("@yearly", hours(365 * 24)),
        ] {
            assert_eq!(sweep(schedule, None).unwrap().interval, pause, "{schedule}");
        }
    }

    #[test]
    fn the_next_run_follows_the_time_zone() {
        let now: Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
        let next = |zone| sweep("17 3 * * *", zone).unwrap().next(now).unwrap().to_string();
        assert_eq!(next(None), "2026-07-02T03:17:00Z");
        assert_eq!(next(Some("Europe/Berlin")), "2026-07-02T01:17:00Z");
        assert_eq!(next(Some("Asia/Seoul")), "2026-07-01T18:17:00Z");
    }

    #[test]
    fn a_schedule_that_never_comes_and_a_zone_that_is_nowhere_are_refused_by_name() {
        for (schedule, zone, says) in [
            ("61 3 * * *", None, "spec.derivatives.sweep.schedule: `61 3 * * *`: "),
            ("0 0 31 2 *", None, "spec.derivatives.sweep.schedule: `0 0 31 2 *`: it does not come round"),
            ("@daily", Some("Europe/Nowhere"), "spec.derivatives.sweep.timeZone: `Europe/Nowhere` is not known"),
        ] {
            let refusal = sweep(schedule, zone).unwrap_err();
            assert!(refusal.starts_with(says), "{refusal}");
        }
    }
}
