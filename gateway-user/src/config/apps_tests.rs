//! Tests of `apps:`: each app's policy over the top level, and every mistake with its place.

use crate::config::{Config, Fail, Layers, Mode, Overrides, Place};

fn load(name: &str, text: &str, argv: Overrides) -> Result<Config, Vec<String>> {
    let file = std::env::temp_dir().join(format!("gateway-apps-{}-{name}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let loaded = Layers::new().file(&file).argv(argv).load();
    std::fs::remove_file(&file).unwrap();
    let here = format!("{}:", file.display());
    loaded.map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&here, "")).collect())
}

#[track_caller]
fn check(name: &str, text: &str, expected: &[&str]) {
    let said = load(name, text, Overrides::default()).err().unwrap_or_default();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "`{expected}` is not in `{said}`");
    }
}

#[test]
fn an_app_s_keys_stand_over_the_top_level() {
    let text = "mode: strict\nbudget: 10\nrules: {disable: [phone]}\napps:\n  - cgroup: a\n    name: first\n    \
                mode: warn\n    rules:\n      disable: [email]\n  - systemd: b.service\n    budget: 1\n  - pid: 7\n  \
                - container: web\n";
    let mut argv = Overrides::default();
    argv.set("--budget", "budget", "5");
    let config = load("over", text, argv).unwrap();
    let [first, second, third, fourth] = &config.apps[..] else { panic!("{:?}", config.apps) };
    assert_eq!((&first.place, first.name.as_deref()), (&Place::Cgroup("a".into()), Some("first")));
    assert_eq!((&second.place, &third.place), (&Place::Systemd("b.service".into()), &Place::Pid(7)));
    assert_eq!(fourth.place, Place::Container("web".into()));
    assert_eq!((first.config.mode, second.config.mode), (Mode::Warn, Mode::Strict));
    // What follows from the mode follows from the app's own.
    assert_eq!((first.config.fail, second.config.fail), (Fail::Open, Fail::Closed));
    let dollars = |of: &Config| of.budget.unwrap() / 1_000_000_000;
    assert_eq!((dollars(&first.config), dollars(&second.config), dollars(&third.config)), (5, 1, 5));
    assert_eq!(
        (&first.config.rules.disable[..], &second.config.rules.disable[..]),
        (&["email".to_owned()][..], &["phone".to_owned()][..])
    );
    let differs: Vec<_> =
        second.config.explain_over(&config).into_iter().map(|one| (one.key, one.value)).collect();
    assert_eq!(differs, [("budget", "1.00".to_owned())]);
    assert_eq!(
        config.explain().iter().find(|one| one.key == "apps").unwrap().value,
        "cgroup a, systemd b.service, pid 7, container web"
    );
}

#[test]
fn mistakes_are_told_with_their_places() {
    check(
        "whole",
        "apps:\n  - cgroup: a\n    state: /x\n    limits: {connections: 3}\n",
        &[
            "3:5: `state` holds for the whole gateway; put it at the top level",
            "4:14: `limits.connections` holds for the whole gateway",
        ],
    );
    check(
        "unknown",
        "apps:\n  - cgroup: a\n    buget: 3\n    limits:\n      idle: 3\n",
        &["3:5: unknown key `buget`; did you mean `budget`?", "5:7: unknown key `idle`"],
    );
    check(
        "place",
        "apps:\n  - cgruop: a\n  - mode: warn\n  - {cgroup: a, pid: 3}\n  - {pid: none}\n  - word\n",
        &[
            "did you mean `cgroup`?",
            "3:5: this app is nowhere: it needs one of cgroup, pid, container, systemd",
            "an app has only one of",
            "`none` is not a whole number",
            "6:5: an app is a block with one of",
        ],
    );
    check(
        "twice",
        "apps: [{cgroup: a}, {cgroup: b, name: x}, {cgroup: a}, {pid: 1, name: x}]\n",
        &["cgroup a stands here twice", "two apps are called `x`"],
    );
    check(
        "value",
        "apps: [{cgroup: a, mode: lax, budget: -1}, {cgroup: b, name: a b}]\n",
        &["`a b` is not a name"],
    );
    check(
        "values",
        "apps: [{cgroup: a, mode: lax, budget: -1}]\n",
        &["`lax` is none of", "is not an amount"],
    );
}

#[test]
fn apps_cannot_stand_in_the_environment() {
    let problems = Layers::new().env([("GATEWAY_APPS".into(), "x".into())]).load().err().unwrap();
    assert!(problems[0].to_string().contains("only stand in a configuration file"), "{problems:?}");
}
