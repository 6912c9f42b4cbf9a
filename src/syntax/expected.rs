//! English names of the grammar's rules, as messages say them.
//!
//! A rule -> the words after "expected". Several rules share a name where the difference would not help (all infix operators
//! are "an operator"). Deliberately absent: which rules were expected where; pest says that.

use super::Rule;
use crate::diag::suggest::join;

/// Rules as one phrase: `an operator, `,`, or `)``. Longer lists than five say what is most likely.
#[must_use]
pub fn list(rules: &[Rule]) -> String {
    let mut names: Vec<String> = Vec::new();
    for rule in rules {
        // What may follow a value is an operator in the reader's eyes, whichever rule tried it.
        let name = match rule {
            Rule::negate | Rule::not if rules.contains(&Rule::operand) || rules.contains(&Rule::primary) => {
                name(Rule::expr)
            }
            other => name(*other),
        };
        if !names.iter().any(|n| n == name) {
            names.push(name.to_string());
        }
    }
    // Operators last: what closes or separates is more often what is missing.
    if let Some(i) = names.iter().position(|n| n == "an operator")
        && names.len() > 1
    {
        let operator = names.remove(i);
        names.push(operator);
    }
    names.truncate(5);
    if names.is_empty() { "something else".to_string() } else { join(&names, "or") }
}

/// The name of a rule in a message.
#[must_use]
pub fn name(rule: Rule) -> &'static str {
    match rule {
        Rule::EOI => "the end of the line",
        Rule::file | Rule::lone_item | Rule::item => "a declaration",
        Rule::bind => "a binding `name = value`",
        Rule::setting => "a setting such as `seeds 0..5`",
        Rule::setting_word => "`seed`, `seeds`, or `precision`",
        Rule::define => "a definition",
        Rule::define_word => {
            "`fn`, `net`, `field`, `path`, `objective`, `sampler`, `log_density`, `entropy`, `modes`, or `coupling`"
        }
        Rule::signature | Rule::name => "a name",
        Rule::header => "a header `(inputs | condition; configuration)`",
        Rule::formals | Rule::config | Rule::formal => "a parameter `name: type`",
        Rule::result => "a result type `-> type`",
        Rule::parameter => "`param`",
        Rule::type_expr | Rule::named_type => "a type",
        Rule::fn_type => "a function type",
        Rule::condition_type | Rule::condition_name | Rule::condition => "a condition `| y`",
        Rule::dims => "dimensions `[n]`",
        Rule::block => "a block `train { .. }`",
        Rule::block_word => "`train` or `generate`",
        Rule::entries => "entries `{ key: value }`",
        Rule::entry => "an entry `key: value`",
        Rule::listing => "a list `evaluate [..]`",
        Rule::listing_word => "`evaluate` or `plot`",
        Rule::compare | Rule::compare_word => "`compare`",
        Rule::in_word => "`in`",
        Rule::expect | Rule::expect_word => "`expect`",
        Rule::published | Rule::published_word => "`published`",
        Rule::within_word => "`within`",
        Rule::stage | Rule::stage_word => "`stage`",
        Rule::tableau | Rule::tableau_word => "`tableau`",
        Rule::import | Rule::use_word => "`use`",
        Rule::module => "a module such as `std.paths`",
        Rule::import_names => "names in parentheses",
        Rule::body => "a body `{ .. }`",
        Rule::statement => "a statement",
        Rule::binding => "`let`",
        Rule::draw => "`draw`",
        Rule::minimize => "`minimize`",
        Rule::value | Rule::expr | Rule::operation | Rule::operand | Rule::primary => "an expression",
        Rule::pattern => "a name or `(a, b)`",
        Rule::lambda => "a function `x => ..`",
        Rule::conditional => "`if`",
        Rule::call => "a call `(..)`",
        Rule::index => "an index `[..]`",
        Rule::member => "a member `.name`",
        Rule::tuple => "a tuple `(a, b)`",
        Rule::list => "a list `[..]`",
        Rule::arguments | Rule::argument => "an argument",
        Rule::named => "configuration `name: value`",
        Rule::label => "a label `name:`",
        Rule::solve => "`solve`",
        Rule::equations => "equations `{ x' = .. from .. }`",
        Rule::equation => "an equation `x' = .. from ..`",
        Rule::derivative => "a derivative `x'`",
        Rule::number => "a number",
        Rule::string => "a string",
        Rule::truth => "`true` or `false`",
        Rule::nothing => "`none`",
        Rule::reserved => "a reserved word",
        Rule::fn_word => "`fn`",
        Rule::let_word => "`let`",
        Rule::draw_word => "`draw`",
        Rule::param_word => "`param`",
        Rule::minimize_word => "`minimize`",
        Rule::if_word => "`if`",
        Rule::then_word => "`then`",
        Rule::else_word => "`else`",
        Rule::solve_word => "`solve`",
        Rule::with_word => "`with`",
        Rule::from_word => "`from`",
        Rule::or
        | Rule::and
        | Rule::equal
        | Rule::at_most
        | Rule::at_least
        | Rule::less
        | Rule::greater
        | Rule::range
        | Rule::add
        | Rule::subtract
        | Rule::multiply
        | Rule::divide
        | Rule::product
        | Rule::power => "an operator",
        Rule::not => "`not`",
        Rule::negate => "`-`",
        Rule::equals => "`=`",
        Rule::fat_arrow => "`=>`",
        Rule::arrow => "`->`",
        Rule::tilde => "`~`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::bar => "`|`",
        Rule::semicolon => "`;`",
        Rule::round_open => "`(`",
        Rule::round_close => "`)`",
        Rule::square_open => "`[`",
        Rule::square_close => "`]`",
        Rule::curly_open => "`{`",
        Rule::curly_close => "`}`",
        Rule::end | Rule::entry_end => "a line break",
        Rule::prefix | Rule::infix | Rule::digits | Rule::letter | Rule::WHITESPACE => "a token",
    }
}
