use super::*;
use crate::schema::{DType, Kind, Schema};

fn schema() -> Schema {
    let branches = [
        ("met", Kind::Flat, DType::Float32),
        ("nJets", Kind::Flat, DType::Int32),
        ("isMC", Kind::Flat, DType::Bool),
        ("jetPt", Kind::Jagged, DType::Float32),
        ("jetEta", Kind::Jagged, DType::Float32),
        ("Jet.pt", Kind::Jagged, DType::Float64),
    ];
    branches.into_iter().map(|(name, kind, dtype)| (name.to_owned(), (kind, dtype))).collect()
}

/// Type and shape of what a formula gives, or the whole message.
fn outcome(formula: &str) -> String {
    match compile_one(&schema(), formula) {
        Err(error) => error.to_string(),
        Ok(program) => {
            let step = &program.steps()[program.defined()[0].slot];
            format!("{} {}", step.shape.kind(), step.ty.name())
        }
    }
}

#[test]
fn types_and_kinds_follow_from_the_branches() {
    for (formula, expected) in [
        ("nJets", "flat int64"),
        ("nJets + 1", "flat int64"),
        ("nJets / 2", "flat float64"),
        ("nJets ** 2", "flat int64"),
        ("nJets ** -1", "flat float64"),
        ("nJets ** met", "flat float64"),
        ("isMC + isMC", "flat int64"),
        ("-isMC", "flat int64"),
        ("1 <= nJets <= 16", "flat bool"),
        ("isMC == 1", "flat bool"),
        ("sqrt(nJets)", "flat float64"),
        ("floor(nJets)", "flat int64"),
        ("floor(met)", "flat float64"),
        ("abs(nJets)", "flat int64"),
        ("where(isMC, 1, met)", "flat float64"),
        ("where(isMC, isMC, True)", "flat bool"),
        ("jetPt * met", "jagged float64"),
        ("jetPt > 20", "jagged bool"),
        ("any(jetPt > 20) & all(jetEta < 2)", "flat bool"),
        ("sum(jetPt > 20)", "flat int64"),
        ("count(jetPt[jetPt > 20])", "flat int64"),
        ("max(jetPt)", "flat float64"),
        ("max(jetPt, 20)", "jagged float64"),
        ("jetPt[0]", "flat float64"),
        ("jetPt[argmax(jetEta)]", "flat float64"),
        ("sort(jetPt, by=jetEta, descending=True)[0]", "flat float64"),
        ("first(jetPt > 3)", "flat bool"),
        ("Jet.pt + get(\"Jet.pt\")", "jagged float64"),
        ("delta_r(jetEta, jetPt, 0, 0)", "jagged float64"),
        ("invariant_mass(jetPt, jetEta, jetEta, 0)", "flat float64"),
        ("factorial(3)", "flat int64"),
        ("-9223372036854775808", "flat int64"),
        ("not isMC or nJets > 2 and met < 3", "flat bool"),
        ("-2 ** 2", "flat int64"),
        ("1_000.5e-1_0", "flat float64"),
        ("0", "flat int64"),
    ] {
        assert_eq!(outcome(formula), expected, "{formula}");
    }
}

#[test]
fn messages_point_at_the_place_and_say_what_is_right() {
    for (formula, expected) in [
        ("nJet >= 4", "formula: there is no branch 'nJet' (did you mean 'nJets'?)\n  nJet >= 4\n  ^^^^"),
        ("met + sqr(2)", "formula: there is no function 'sqr' (did you mean 'sqrt'?)\n  met + sqr(2)\n        ^^^"),
        ("met(2)", "formula: 'met' is a branch, not a function: write '*' if a product is meant\n  met(2)\n  ^^^"),
        (
            "sqrt + 1",
            "formula: 'sqrt' is a function: it takes its arguments in parentheses, as sqrt(x)\n  sqrt + 1\n  ^^^^",
        ),
        (
            "nJets>1 & met<2",
            "formula: '&' takes true or false, but this is an int64; '&' binds stronger than comparisons: put these in parentheses, as (a > 1) & (b < 2)\n  nJets>1 & met<2\n        ^",
        ),
        (
            "met and isMC",
            "formula: 'and' takes true or false, but this is a float64: write a comparison, as x > 0\n  met and isMC\n  ^^^",
        ),
        (
            "any(jetPt)",
            "formula: any takes true or false, but this is a float64: write a comparison, as any(x > 0)\n  any(jetPt)\n      ^^^^^",
        ),
        ("sum(met)", "formula: sum takes a list an event, but this is flat\n  sum(met)\n      ^^^"),
        ("met[0]", "formula: only a list has entries; this is flat\n  met[0]\n  ^^^"),
        (
            "jetPt[met]",
            "formula: in [...] stands a whole number, or a condition for each entry, not a flat float64\n  jetPt[met]\n        ^^^",
        ),
        (
            "jetPt[isMC]",
            "formula: in [...] stands a whole number, or a condition for each entry, not a flat bool\n  jetPt[isMC]\n        ^^^^",
        ),
        ("sqrt(1, 2)", "formula: sqrt takes 1 argument; there are 2\n  sqrt(1, 2)\n  ^^^^"),
        ("max(1, 2, 3)", "formula: max takes 1 argument or 2 arguments; there are 3\n  max(1, 2, 3)\n  ^^^"),
        (
            "delta_r(1)",
            "formula: delta_r takes 4 arguments (eta1, phi1, eta2, phi2); there are 1\n  delta_r(1)\n  ^^^^^^^",
        ),
        ("sqrt(met, by=2)", "formula: sqrt takes 1 argument; there are 1\n"),
        (
            "sort(jetPt, bye=jetEta)",
            "formula: sort takes by= and descending=, not 'bye' (did you mean 'by'?)\n  sort(jetPt, bye=jetEta)\n                  ^^^^^^",
        ),
        (
            "sort(jetPt, descending=1)",
            "formula: descending is True or False\n  sort(jetPt, descending=1)\n                         ^",
        ),
        (
            "factorial(met)",
            "formula: factorial takes whole numbers, but this is a float64\n  factorial(met)\n            ^^^",
        ),
        ("met == ", "formula: a value is expected, not the end\n  met == \n         ^"),
        ("(met + 1", "formula: ')' is expected, not the end\n  (met + 1\n          ^"),
        ("met) + 1", "formula: ')' closes nothing\n  met) + 1\n     ^"),
        ("met = 1", "formula: '==' compares; there is no assignment in a formula\n  met = 1\n      ^"),
        ("met 1", "formula: an operator is expected before a number\n  met 1\n      ^"),
        ("", "formula: the formula is empty"),
        ("met ^ 2", "formula: '^' is not part of formulas: a power is '**'\n  met ^ 2\n      ^"),
        ("met > 1 && isMC", "formula: '&&' is not part of formulas: write 'and'\n  met > 1 && isMC\n          ^^"),
        (
            "1 if isMC else 2",
            "formula: 'if' is not part of formulas: write where(condition, a, b)\n  1 if isMC else 2\n    ^^",
        ),
        ("met $ 2", "formula: the character '$' is not part of formulas\n  met $ 2\n      ^"),
        ("012", "formula: a whole number does not begin with 0\n  012\n  ^^^"),
        ("3abc", "formula: a number is expected, as 200, 1.5 or 2e-3\n  3abc\n  ^^^^"),
        ("1__0", "formula: an underscore may stand between two digits only\n  1__0\n  ^^^^"),
        (
            "9223372036854775808",
            "formula: this is beyond int64; write it with a decimal point as a float64\n  9223372036854775808\n  ^^^^^^^^^^^^^^^^^^^",
        ),
        ("1e999", "formula: this is beyond float64\n  1e999\n  ^^^^^"),
        ("'met'", "formula: a text can only stand in get(\"...\")\n  'met'\n  ^^^^^"),
        ("get(met)", "formula: get takes the name of a branch in quotes, as get(\"jet-pt\")\n  get(met)\n      ^^^"),
        ("get(\"met", "formula: the quote is never closed\n  get(\"met\n      ^^^^"),
        (
            "where(met, 1, 2)",
            "formula: 'where' takes true or false, but this is a float64: write a comparison, as x > 0\n  where(met, 1, 2)\n        ^^^",
        ),
    ] {
        let found = outcome(formula);
        if formula == "sqrt(met, by=2)" {
            assert_eq!(found, "formula: sqrt takes no argument called 'by'\n  sqrt(met, by=2)\n               ^");
            continue;
        }
        assert_eq!(found, expected, "{formula}");
    }
}

#[test]
fn long_and_deep_formulas_are_refused() {
    let deep = |levels: usize| format!("{}met{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(outcome(&deep(64)), "flat float64");
    assert!(outcome(&deep(65)).contains("nested deeper than 64 levels"));
    assert!(outcome(&"-".repeat(4000)).contains("nested deeper"));
    let sum = |terms: usize| vec!["met"; terms].join("+");
    assert_eq!(outcome(&sum(1024)), "flat float64");
    assert_eq!(
        outcome(&sum(1025)),
        "formula: the formula has 4099 characters; at most 4096 are possible\n  met+met+met+met+met+met+met+met+met+met+met+met+met+met+met+...\n  ^"
    );
}

fn new(name: &str, formula: &str) -> NewBranch {
    let place = format!("new_branch '{name}'");
    NewBranch { name: name.to_owned(), formula: formula.to_owned(), kind: None, kept: true, place }
}

fn cut(formula: &str, reduction: Option<Reduction>) -> Cut {
    Cut { formula: formula.to_owned(), reduction, training: false, name: formula.to_owned(), place: "cut".to_owned() }
}

#[test]
fn new_branches_may_use_each_other_but_not_in_a_circle() {
    let (compiled, reads) =
        compile(&schema(), &[new("b", "a * 2"), new("a", "met + 1")], &[cut("b > 3", None)]).unwrap();
    assert_eq!(reads.keys().collect::<Vec<_>>(), ["met"]);
    assert_eq!(compiled.defined().iter().map(|defined| defined.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(compiled.reads()[0], [("met", Kind::Flat, DType::Float32)]);
    let message = |new: &[NewBranch], cuts: &[Cut]| compile(&schema(), new, cuts).unwrap_err().to_string();
    assert_eq!(
        message(&[new("a", "b"), new("b", "c + 1"), new("c", "a")], &[]),
        "new_branch 'a': new branches need each other in a circle: a -> b -> c -> a\n  b\n  ^"
    );
    assert_eq!(
        message(&[new("met", "1")], &[]),
        "new_branch 'met': there is a branch 'met' already; a new one needs a name of its own"
    );
    let declared = NewBranch { kind: Some(Kind::Jagged), ..new("a", "met") };
    assert_eq!(message(&[declared], &[]), "new_branch 'a': the formula is flat, but declared to be jagged\n  met\n  ^");
}

#[test]
fn a_cut_is_flat_or_says_any_or_all() {
    let message = |cut: Cut| compile(&schema(), &[], &[cut]).unwrap_err().to_string();
    assert!(message(cut("met", None)).starts_with("cut: a cut must be true or false, but this is a float64"));
    assert!(message(cut("jetPt > 2", None)).starts_with("cut: the cut is jagged: say whether any or all"));
    assert!(message(cut("met > 2", Some(Reduction::Any))).starts_with("cut: the cut is flat: it takes no \"any\""));
    assert!(compile(&schema(), &[], &[cut("jetPt > 2", Some(Reduction::All)), cut("any(jetPt > 2)", None)]).is_ok());
}

#[test]
fn equal_steps_are_one() {
    let program = compile_one(&schema(), "(jetPt - 1) * (jetPt - 1) + jetPt").unwrap();
    assert_eq!(program.steps().len(), 5);
}

#[test]
fn negated_literals_stay_in_int64_and_keywords_are_given_once() {
    let beyond = "formula: this is beyond int64; write it with a decimal point as a float64";
    for formula in ["-(-9223372036854775808)", "--9223372036854775808"] {
        assert!(outcome(formula).starts_with(beyond), "{formula}");
    }
    assert_eq!(
        outcome("sort(jetPt, by=jetEta, by=jetPt)"),
        "formula: 'by' is given twice\n  sort(jetPt, by=jetEta, by=jetPt)\n                            ^^^^^"
    );
}

#[test]
fn what_stands_in_parentheses_is_shown_with_them() {
    let found = outcome("(met + 1) & isMC");
    assert!(found.ends_with("\n  (met + 1) & isMC\n  ^^^^^^^^^"), "{found}");
}
