//! What the kernel says of this process → the metrics that every Prometheus client names `process_*`, of both programs.
//!
//! On the ground. It reads `/proc` whenever metrics are asked for; where there is none, there are no numbers.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Clock ticks of a second in `/proc`, on every architecture that images are built for.
const TICKS: f64 = 100.0;

/// The process that asks.
#[derive(Debug)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        // the `_total` that ends a counter's name is put there by its encoder
        if let Some(seconds) = cpu(&read("/proc/self/stat")) {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "CPU time in user and system mode",
                None,
                counter.metric_type(),
            )?)?;
        }
        for (name, help, value) in gauges() {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Name, help and value of what goes up and down.
fn gauges() -> [(&'static str, &'static str, Option<f64>); 5] {
    let status = read("/proc/self/status");
    // one of them is the folder itself, while it is read
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| count(files.count().saturating_sub(1)));
    [
        ("process_resident_memory_bytes", "Resident memory", kilobytes(&status, "VmRSS:")),
        ("process_virtual_memory_bytes", "Virtual memory", kilobytes(&status, "VmSize:")),
        ("process_start_time_seconds", "When the process began, in Unix time", started(&read("/proc/self/stat"), &read("/proc/stat"))),
        ("process_open_fds", "Open file descriptors", open),
        ("process_max_fds", "File descriptors that may be open", most_files(&read("/proc/self/limits"))),
    ]
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// A count as a metric's value.
#[expect(clippy::cast_precision_loss, reason = "counts of files and ticks are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Field `number` of `/proc/PID/stat`, by proc(5); the name of the program, the second one, may hold blanks.
fn field(stat: &str, number: usize) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

fn started(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + field(stat, 22)? / TICKS)
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let number: f64 = status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024.0)
}

/// The soft limit; none where it is unlimited.
fn most_files(limits: &str) -> Option<f64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1234 1000000 500 18446744073709551615";

    #[test]
    fn numbers_are_read_by_their_place() {
        assert_eq!(cpu(STAT), Some(3.0));
        assert_eq!(started(STAT, "cpu 1 2\nbtime 1000\n"), Some(1012.34));
        assert_eq!(kilobytes("VmSize:\t 9 kB\nVmRSS:\t     512 kB\n", "VmRSS:"), Some(524_288.0));
        let limits = |soft| format!("Limit  Soft Limit  Hard Limit  Units\nMax open files            {soft}     524288      files\n");
        assert_eq!(most_files(&limits("1024")), Some(1024.0));
        assert_eq!(most_files(&limits("unlimited")), None);
        assert_eq!((cpu("?"), started("", ""), kilobytes("", "VmRSS:")), (None, None, None));
    }

    #[test]
    fn this_process_has_all_of_them() {
        let value = |name| gauges().into_iter().find(|gauge| gauge.0 == name).and_then(|gauge| gauge.2).expect(name);
        assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"));
        assert!((3.0..=value("process_max_fds")).contains(&value("process_open_fds")));
        let (started, cpu) = (value("process_start_time_seconds"), cpu(&read("/proc/self/stat")).unwrap());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(started > 1e9 && started < now + 2.0 && cpu < now - started + 60.0 * 64.0, "{started} {cpu} {now}");
    }
}
