//! Tests of finding cgroups, each over a fake tree as the runtime in question makes it.

use super::*;

/// Two whole ids that share their first seven digits.
const WEB: &str = "4f0c1d29aa00000000000000000000000000000000000000000000000000beef";
const WORKER: &str = "4f0c1d2700000000000000000000000000000000000000000000000000000abc";
/// A pod's pause container.
const PAUSE: &str = "99aa1d2700000000000000000000000000000000000000000000000000000fff";

/// A fake machine, removed when the test ends.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::TempDir::new().unwrap());
        fs::create_dir(machine.path("cgroup")).unwrap();
        machine
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn cgroup(self, path: &str) -> Machine {
        fs::create_dir_all(self.path("cgroup").join(path)).unwrap();
        self
    }

    fn file(self, path: &str, text: &str) -> Machine {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn find(&self, place: &Place) -> Result<Found, TargetError> {
        let tree = Tree { cgroups: self.path("cgroup"), proc: self.path("proc"), root: self.path("") };
        tree.find(place)
    }

    /// Checks the cgroup that is found, or a part of the message that says why not.
    #[track_caller]
    fn check(&self, place: Place, expected: &str) {
        match self.find(&place) {
            Ok(found) => assert_eq!(below(&self.path("cgroup"), &found.path), expected, "{place}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.contains(expected), "{place}: {error}");
            }
        }
    }
}

fn container(given: &str) -> Place {
    Place::Container(given.to_owned())
}

fn unit(given: &str) -> Place {
    Place::Systemd(given.to_owned())
}

#[test]
fn containers_are_found_by_id_in_every_layout() {
    for layout in [
        "docker/ID",
        "system.slice/docker-ID.scope",
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
        "kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
        "kubepods/burstable/pod1-2-3/ID",
        "machine.slice/libpod-ID.scope",
        "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        "libpod_parent/libpod-ID",
        "system.slice/nerdctl-ID.scope",
        "default/ID",
    ] {
        let (web, worker) = (layout.replace("ID", WEB), layout.replace("ID", WORKER));
        // What a runtime puts inside or beside a container.
        let inner = format!("{web}/container");
        let machine = Machine::new().cgroup(&inner).cgroup(&worker).cgroup(&format!("{web}/docker/{WEB}"));
        let machine = machine.cgroup(&format!("machine.slice/libpod-conmon-{WEB}.scope"));
        machine.check(container(WEB), &web);
        machine.check(container(&WEB[..12]), &web);
        machine.check(container(&WEB[..8].to_uppercase()), &web);
        machine.check(container(&WORKER[..8]), &worker);
        machine.check(container(&WEB[..7]), "could be ");
        machine.check(container(&WEB[..5]), "none fits by id (at least 6 digits)");
        machine.check(container("000000"), "2 containers have a cgroup");
    }
}

#[test]
fn a_docker_name_is_read_from_its_config() {
    let config = |id: &str, name: &str| {
        format!(r#"{{"State":{{"Running":true}},"ID":"{id}","Name":"/{name}","Config":{{}}}}"#)
    };
    let machine = Machine::new()
        .cgroup(&format!("system.slice/docker-{WEB}.scope"))
        .file(&format!("var/lib/docker/containers/{WEB}/config.v2.json"), &config(WEB, "web"))
        .file(&format!("var/lib/docker/containers/{WORKER}/config.v2.json"), &config(WORKER, "stopped"))
        .file("var/lib/docker/containers/broken/config.v2.json", "{");
    machine.check(container("web"), &format!("system.slice/docker-{WEB}.scope"));
    assert_eq!(machine.find(&container("web")).unwrap().name, "web");
    assert_eq!(machine.find(&container(&WEB[..8])).unwrap().name, format!("system.slice/docker-{WEB}.scope"));
    machine.check(container("stopped"), "no container `stopped` is running");
    machine.check(container("other"), "/var/lib/docker/containers");
}

#[test]
fn a_podman_name_is_read_from_the_storage_of_the_system_and_of_users() {
    let list = |id: &str, name: &str| {
        format!(r#"[{{"id":"{id}","names":["{name}"],"layer":"x","metadata":"{{}}"}}]"#)
    };
    let machine = Machine::new()
        .cgroup(&format!("machine.slice/libpod-{WEB}.scope/container"))
        .cgroup(&format!("user.slice/libpod-{WORKER}.scope"))
        .file("var/lib/containers/storage/overlay-containers/containers.json", &list(WEB, "web"))
        .file(
            "home/ann/.local/share/containers/storage/overlay-containers/containers.json",
            &list(WORKER, "job"),
        );
    machine.check(container("web"), &format!("machine.slice/libpod-{WEB}.scope"));
    machine.check(container("job"), &format!("user.slice/libpod-{WORKER}.scope"));
}

#[test]
fn a_container_of_a_pod_is_named_as_precisely_as_needed() {
    let bundle = |pod: &str, more: &str| {
        format!(
            r#"{{"ociVersion":"1.1.0","annotations":{{"io.kubernetes.cri.sandbox-namespace":"prod",
            "io.kubernetes.cri.sandbox-name":"{pod}"{more}}}}}"#
        )
    };
    let task = |id: &str| format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json");
    let name = r#","io.kubernetes.cri.container-name":"app""#;
    let scope = |id: &str| format!("kubepods.slice/cri-containerd-{id}.scope");
    let machine = Machine::new()
        .cgroup(&scope(WEB))
        .cgroup(&scope(WORKER))
        .cgroup(&scope(PAUSE))
        .file(&task(WEB), &bundle("web-0", name))
        .file(&task(WORKER), &bundle("worker-0", name))
        .file(&task(PAUSE), &bundle("web-0", ""));
    machine.check(container("web-0/app"), &scope(WEB));
    machine.check(container("prod/worker-0/app"), &scope(WORKER));
    machine.check(container("test/web-0/app"), "no container");
    let error = machine.find(&container("app")).unwrap_err().to_string();
    assert!(
        error.contains("prod/web-0/app (4f0c1d29aa00)") && error.contains("prod/worker-0/app"),
        "{error}"
    );

    let crio = format!(r#"[{{"id":"{WEB}","names":["k8s_app_web-0_prod_1-2-3_0"]}}]"#);
    let machine = Machine::new()
        .cgroup(&format!("kubepods.slice/crio-{WEB}.scope"))
        .file("var/lib/containers/storage/overlay-containers/containers.json", &crio);
    machine.check(container("prod/web-0/app"), &format!("kubepods.slice/crio-{WEB}.scope"));
}

#[test]
fn a_unit_is_found_with_and_without_its_suffix() {
    let machine = Machine::new()
        .cgroup("system.slice/app.service")
        .cgroup("system.slice/system-worker.slice/worker@1.service")
        .cgroup("user.slice/user-1000.slice/user@1000.service/app.slice/agent.service")
        .cgroup("user.slice/user-1000.slice/session-4.scope")
        .cgroup("user.slice/user-1001.slice/user@1001.service/app.slice/agent.service")
        .cgroup("app.slice");
    machine.check(unit("app"), "system.slice/app.service");
    machine.check(unit("app.service"), "system.slice/app.service");
    machine.check(unit("app.slice"), "could be ");
    machine.check(unit("worker@1"), "system.slice/system-worker.slice/worker@1.service");
    machine.check(unit("session-4"), "user.slice/user-1000.slice/session-4.scope");
    machine.check(unit("agent"), "user-1001.slice");
    machine.check(unit("gone"), "no unit `gone` is running: no cgroup called gone.service or gone.scope");
    machine.check(unit("../x"), "cannot be the name of a unit");
}

#[test]
fn a_process_leads_to_its_cgroup() {
    let machine = Machine::new()
        .cgroup("system.slice/app.service")
        .file("proc/10/cgroup", "5:cpu:/a\n0::/system.slice/app.service\n")
        .file("proc/11/cgroup", "0::/\n")
        .file("proc/12/cgroup", "5:cpu:/a\n")
        .file("proc/13/cgroup", "0::/../other\n")
        .file("proc/14/cgroup", "0::/gone.service (deleted)\n")
        .file("proc/15/cgroup", "0::/elsewhere\n");
    machine.check(Place::Pid(10), "system.slice/app.service");
    machine.check(Place::Pid(11), "root cgroup");
    machine.check(Place::Pid(12), "no cgroup of version 2");
    machine.check(Place::Pid(13), "outside the cgroup namespace");
    machine.check(Place::Pid(14), "is ending");
    machine.check(Place::Pid(15), "not below the cgroup v2 mount");
    machine.check(Place::Pid(16), "there is no process 16");
}

#[test]
fn odd_names_are_refused() {
    let machine = Machine::new();
    for given in ["", "a b", "a\n", "ab;c", "*"] {
        machine.check(container(given), "a container's id or name");
        machine.check(unit(given), "cannot be the name of a unit");
    }
}
