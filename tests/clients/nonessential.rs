//! Claude Code with everything on: what it asks its host besides models passes, costs nothing, and repeats no request.

use gateway_tests::world;

use crate::client::Scene;
use crate::programs::{CLAUDE_CODE, Program};
use crate::turns::Turn;

/// Claude Code as it is, without the variable that turns its telemetry and its settings off.
const TALKATIVE: Program = Program { environment: &[("ANTHROPIC_API_KEY", "simulated")], ..CLAUDE_CODE };

#[test]
fn control_and_telemetry_pass_and_cost_nothing() {
    world::inside(|_| async {
        let scene = Scene::new().await;
        let turn = Turn::run(scene, &TALKATIVE, "hello\n#sim deltas=20", "10", "").await;
        assert!(turn.status.success(), "{turn}");

        // The turn, and one for its title from a small model: no body twice.
        let mut bodies: Vec<String> = turn.asked().iter().map(|one| one.text()).collect();
        let asked = bodies.len();
        bodies.sort_unstable();
        bodies.dedup();
        assert_eq!(bodies.len(), asked, "a request was repeated: {turn}");

        let paths = |part: &str| {
            let holds = |path: Option<&str>| path.is_some_and(|path| path.contains(part));
            turn.records.iter().filter(|record| holds(record["path"].as_str())).collect::<Vec<_>>()
        };
        for part in ["/api/event_logging/", "/api/claude_code/"] {
            let records = paths(part);
            assert!(!records.is_empty(), "{part} was not asked: {turn}");
            for record in records {
                assert_eq!(record["verdict"].as_str(), Some("allowed"), "{record}");
                assert_eq!(record["cost"].as_u64(), Some(0), "{record}");
                assert_eq!(record["model"].as_str(), None, "{record}");
            }
        }
    });
}
