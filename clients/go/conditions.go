package chord

import (
	"encoding/json"
	"fmt"
	"strconv"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

// Test is what a Check requires of the value at its path.
type Test string

const (
	// TestEquals: the value is equal to Check.Value.
	TestEquals Test = "equals"
	// TestExists: there is a value, null included.
	TestExists Test = "exists"
	// TestMissing: there is none.
	TestMissing Test = "missing"
	// TestAtLeast and TestAtMost: the value is a number with this limit.
	TestAtLeast Test = "at_least"
	TestAtMost  Test = "at_most"
	// TestUnknown is one of a newer server, in an error. It cannot be sent.
	TestUnknown Test = "unknown"
)

// Check is a test of the value at a path: a condition of a write (IfChecks), or what a Wait waits for. Make it with Equals,
// Exists, Missing, AtLeast or AtMost.
type Check struct {
	Path Path
	Test Test
	// Value is for TestEquals; for TestAtLeast and TestAtMost it is a float64.
	Value any
}

// Equals holds where the value is equal to this one.
func Equals(path Path, value any) Check { return Check{path, TestEquals, value} }

// Exists holds where the path has a value, null included.
func Exists(path Path) Check { return Check{path, TestExists, nil} }

// Missing holds where the path has no value.
func Missing(path Path) Check { return Check{path, TestMissing, nil} }

// AtLeast holds where the value is a number of at least limit.
func AtLeast(path Path, limit float64) Check { return Check{path, TestAtLeast, limit} }

// AtMost holds where the value is a number of at most limit.
func AtMost(path Path, limit float64) Check { return Check{path, TestAtMost, limit} }

// String is the check as the command chord writes it, but for the path: ["stock"]>=1.
func (c Check) String() string {
	path, value := jsonOf([]string(c.Path)), jsonOf(c.Value)
	switch c.Test {
	case TestEquals:
		return path + "=" + value
	case TestMissing:
		return "!" + path
	case TestAtLeast:
		return path + ">=" + value
	case TestAtMost:
		return path + "<=" + value
	}
	return path
}

func jsonOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return strconv.Quote(fmt.Sprint(value))
	}
	return string(text)
}

// UnmetConditions says why a write with IfUnchanged or IfChecks was refused. errors.As finds it in the error of a call; it is the
// field Unmet of *Error, too.
type UnmetConditions struct {
	ContextID string
	// Current is where the context stands; nil where it does not exist.
	Current *Position
	// SinceReason is why the position of IfUnchanged cannot be compared with Current: EPOCH_CHANGED, AHEAD, DIVERGED or
	// HISTORY_TRUNCATED. Empty: it can.
	SinceReason string
	// Conditions are the first 100 that do not hold.
	Conditions []UnmetCondition
}

// UnmetCondition is one that does not hold: of IfUnchanged, with TouchedAt, or of IfChecks, with Check.
type UnmetCondition struct {
	Path Path
	// TouchedAt is the last version that changed the path, an ancestor or a descendant of it; 0 for checks.
	TouchedAt uint64
	// Author is the identity that wrote that version; empty where it has none, or the server no longer has it in memory.
	Author string
	// Check is nil for paths that were changed.
	Check *Check
}

func (u *UnmetConditions) Error() string {
	what := "conditions are not met"
	if u.SinceReason != "" {
		what = "the position cannot be compared: " + u.SinceReason
	} else if len(u.Conditions) > 0 {
		what = u.Conditions[0].String()
	}
	return fmt.Sprintf("%q: %s", u.ContextID, what)
}

// String is what does not hold.
func (u UnmetCondition) String() string {
	if u.Check != nil {
		return u.Check.String() + " does not hold"
	}
	return fmt.Sprintf("version %d changed %s", u.TouchedAt, jsonOf([]string(u.Path)))
}

func toChecks(field string, checks []Check) ([]*chordv1.Check, error) {
	messages := make([]*chordv1.Check, len(checks))
	for i, check := range checks {
		field := fmt.Sprintf("%s[%d]", field, i)
		path, err := toPath(field+".path", check.Path)
		if err != nil {
			return nil, err
		}
		messages[i] = &chordv1.Check{Path: path}
		if err := check.test(messages[i]); err != nil {
			return nil, refused(field, err)
		}
	}
	return messages, nil
}

// test sets the test of a message.
func (c Check) test(message *chordv1.Check) error {
	limit, isNumber := c.Value.(float64)
	switch c.Test {
	case TestEquals:
		value, err := toValue(c.Value, 1)
		message.Test = &chordv1.Check_Equals{Equals: value}
		return within(".equals", err)
	case TestExists, TestMissing:
		message.Test = &chordv1.Check_Exists{Exists: c.Test == TestExists}
		return nil
	case TestAtLeast:
		message.Test = &chordv1.Check_AtLeast{AtLeast: limit}
	case TestAtMost:
		message.Test = &chordv1.Check_AtMost{AtMost: limit}
	default:
		return fmt.Errorf("has no test that can be sent: %q", c.Test)
	}
	if !isNumber {
		return within("."+string(c.Test), fmt.Errorf("%v is no float64", c.Value))
	}
	return within("."+string(c.Test), finite(limit))
}

func toPaths(field string, paths []Path) ([]*chordv1.Path, error) {
	messages := make([]*chordv1.Path, len(paths))
	for i, path := range paths {
		message, err := toPath(fmt.Sprintf("%s[%d]", field, i), path)
		if err != nil {
			return nil, err
		}
		messages[i] = message
	}
	return messages, nil
}

func toPath(field string, path Path) (*chordv1.Path, error) {
	for i, key := range path {
		if err := wellFormed(key); err != nil {
			return nil, refused(fmt.Sprintf("%s.keys[%d]", field, i), err)
		}
	}
	return &chordv1.Path{Keys: path}, nil
}

func fromUnmet(message *chordv1.UnmetConditions) *UnmetConditions {
	unmet := &UnmetConditions{ContextID: message.GetContextId()}
	if message.GetCurrent() != nil {
		current := fromPosition(message.GetCurrent())
		unmet.Current = &current
	}
	if message.GetSinceReason() != chordv1.FullReason_FULL_REASON_UNSPECIFIED {
		unmet.SinceReason = fullReason(message.GetSinceReason())
	}
	for _, each := range message.GetConditions() {
		condition := UnmetCondition{Path: each.GetPath().GetKeys(), TouchedAt: each.GetTouchedAt(), Author: each.GetAuthor()}
		if each.GetCheck() != nil {
			check := fromCheck(each.GetCheck())
			condition.Check = &check
		}
		unmet.Conditions = append(unmet.Conditions, condition)
	}
	return unmet
}

func fromCheck(message *chordv1.Check) Check {
	path := Path(message.GetPath().GetKeys())
	switch test := message.GetTest().(type) {
	case *chordv1.Check_Equals:
		return Equals(path, fromValue(test.Equals))
	case *chordv1.Check_Exists:
		if test.Exists {
			return Exists(path)
		}
		return Missing(path)
	case *chordv1.Check_AtLeast:
		return AtLeast(path, test.AtLeast)
	case *chordv1.Check_AtMost:
		return AtMost(path, test.AtMost)
	}
	return Check{path, TestUnknown, nil}
}
