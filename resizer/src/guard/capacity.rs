//! Control groups and settings → how much memory and how many CPUs there are to give away.
//!
//! Read once at the start, by `main`; [`super::admission`] gives it away. Below are only the files of the kernel.

use std::{fs, num::NonZeroUsize, path::Path, thread::available_parallelism};

use resize_api::Settings;

/// Budget where the container has no memory limit, in bytes.
const UNLIMITED_BUDGET: u64 = 1 << 30;
/// Least budget, in bytes: even a tiny container should resize small pictures.
const LEAST_BUDGET: u64 = 16 << 20;
/// What the process itself takes, in bytes; the rest of the limit is left to connections and to what the allocator keeps.
const BASE: u64 = 8 << 20;
/// What a worker takes of the budget for a picture of usual size, in bytes.
const WORKER: u64 = 32 << 20;
/// Kernels write "no limit" as a number near the largest one.
const NO_LIMIT: u64 = 1 << 60;

/// What there is to give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes for sources and resizes.
    pub memory: u64,
    /// Resizes at once.
    pub workers: usize,
}

impl Capacity {
    /// What `settings` say, or else what the container has.
    pub fn detect(settings: &Settings) -> Self {
        let group = Group::of_this_process(Path::new("/"));
        let parallelism = available_parallelism().map_or(1, NonZeroUsize::get);
        let memory = settings.memory_budget.unwrap_or_else(|| budget(group.memory));
        let workers = settings.workers.map_or_else(|| workers(group.cpus, parallelism, memory), NonZeroUsize::get);
        Self { memory, workers }
    }
}

fn budget(limit: Option<u64>) -> u64 {
    limit.map_or(UNLIMITED_BUDGET, |limit| (limit / 2).saturating_sub(BASE).max(LEAST_BUDGET))
}

/// The quota, rounded; `parallelism` is that quota rounded down, or less where fewer CPUs may be used.
/// Without a quota it is the machine's CPUs, and no more than have something to work with in the `budget`.
fn workers(quota: Option<f64>, parallelism: usize, budget: u64) -> usize {
    let Some(quota) = quota else {
        let most = usize::try_from(budget / WORKER).unwrap_or(usize::MAX);
        return parallelism.min(most.max(1));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of CPUs")]
    let (rounded, floor) = (quota.round() as usize, quota.floor() as usize);
    if parallelism < floor { parallelism } else { rounded.max(1) }
}

/// Limits of a control group; none where unlimited or unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    memory: Option<u64>,
    cpus: Option<f64>,
}

impl Group {
    /// Reads version 1 or 2 below `root`. A container sees its own group at the mount's top; a plain process finds its group by name.
    fn of_this_process(root: &Path) -> Self {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mut found = Self::default();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            for path in Path::new(path.trim_start_matches('/')).ancestors() {
                found = found.tighter(Self::read(&root.join("sys/fs/cgroup"), controllers, path));
            }
        }
        found
    }

    fn read(mount: &Path, controllers: &str, path: &Path) -> Self {
        let text = |controller: &str, file: &str| fs::read_to_string(mount.join(controller).join(path).join(file)).ok();
        let number = |controller, file| text(controller, file)?.trim().parse::<f64>().ok();
        let bytes = |controller, file| text(controller, file)?.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_LIMIT);
        let mut group = Self::default();
        if controllers.is_empty() {
            group.memory = bytes("", "memory.max");
            group.cpus = text("", "cpu.max").and_then(|text| {
                let (quota, period) = text.trim().split_once(' ')?;
                Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
            });
        }
        for controller in controllers.split(',') {
            match controller {
                "memory" => group.memory = bytes(controllers, "memory.limit_in_bytes"),
                "cpu" => {
                    let quota = number(controllers, "cpu.cfs_quota_us").filter(|quota| *quota > 0.0);
                    group.cpus = quota.zip(number(controllers, "cpu.cfs_period_us")).map(|(quota, period)| quota / period);
                }
                _ => {}
            }
        }
        group
    }

    fn tighter(self, other: Self) -> Self {
        Self {
            memory: self.memory.into_iter().chain(other.memory).min(),
            cpus: self.cpus.into_iter().chain(other.cpus).min_by(f64::total_cmp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits as read from a root with these `files`.
    fn group(name: &str, files: &[(&str, &str)]) -> Group {
        let root = std::env::temp_dir().join(format!("resizer-capacity-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let group = Group::of_this_process(&root);
        fs::remove_dir_all(&root).unwrap();
        group
    }

    #[test]
    fn reads_version_2() {
        let inside =
            [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n"), ("sys/fs/cgroup/cpu.max", "150000 100000\n")];
        assert_eq!(group("v2", &inside), Group { memory: Some(256 << 20), cpus: Some(1.5) });
        let nested = [
            ("proc/self/cgroup", "0::/pods/a\n"),
            ("sys/fs/cgroup/pods/a/memory.max", "max\n"),
            ("sys/fs/cgroup/pods/a/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/pods/memory.max", "1048576\n"),
        ];
        assert_eq!(group("v2-nested", &nested), Group { memory: Some(1 << 20), cpus: None });
    }

    #[test]
    fn reads_version_1() {
        let files = [
            ("proc/self/cgroup", "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n1:name=systemd:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ];
        assert_eq!(group("v1", &files), Group { memory: Some(512 << 20), cpus: Some(0.5) });
        let unlimited = [("proc/self/cgroup", "5:memory:/\n"), ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(group("v1-unlimited", &unlimited), Group::default());
    }

    #[test]
    fn leaves_room_for_the_process() {
        assert_eq!(budget(None), 1 << 30);
        assert_eq!(budget(Some(256 << 20)), 120 << 20);
        assert_eq!(budget(Some(32 << 20)), 16 << 20);
    }

    #[test]
    fn workers_follow_the_quota() {
        for (quota, parallelism, expect) in
            [(None, 8, 8), (Some(0.2), 1, 1), (Some(1.4), 1, 1), (Some(1.5), 1, 2), (Some(4.0), 4, 4), (Some(8.0), 2, 2)]
        {
            assert_eq!(workers(quota, parallelism, 1 << 30), expect, "{quota:?} {parallelism}");
        }
    }

    #[test]
    fn without_a_quota_a_large_machine_gives_no_more_workers_than_the_memory_has_room_for() {
        for (limit, expect) in [(64 << 20, 1), (256 << 20, 3), (512 << 20, 7), (8 << 30, 127)] {
            assert_eq!(workers(None, 192, budget(Some(limit))), expect, "{limit}");
        }
        assert_eq!(workers(None, 192, budget(None)), 32);
        assert_eq!(workers(Some(64.0), 64, budget(Some(512 << 20))), 64, "who sets a quota means it");
    }
}
