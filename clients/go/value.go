package chord

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"reflect"
	"regexp"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// The deepest nesting of a document that a server takes; the root object is level 1.
const depthMax = 32

// toStruct makes a message of a whole document. What is not JSON is an error, as in toValue and toList.
func toStruct(object map[string]any) (*structpb.Struct, error) { return toObject(object, 1) }

// toValue makes a message of a value that lies in a container at level depth.
func toValue(value any, depth int) (*structpb.Value, error) {
	switch value := value.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(value), nil
	case float64:
		return structpb.NewNumberValue(value), finite(value)
	case int:
		return structpb.NewNumberValue(float64(value)), exactInt(int64(value))
	case string:
		return structpb.NewStringValue(value), wellFormed(value)
	case json.Number:
		number, err := value.Float64()
		if err == nil {
			err = exactText(value.String())
		}
		return structpb.NewNumberValue(number), err
	case map[string]any:
		object, err := toObject(value, depth+1)
		return structpb.NewStructValue(object), err
	case []any:
		list, err := toList(value, depth+1)
		return structpb.NewListValue(list), err
	}
	return toReflected(reflect.ValueOf(value), depth)
}

// toReflected is toValue for the types that programs define, and for the less common ones of Go.
func toReflected(value reflect.Value, depth int) (*structpb.Value, error) {
	switch kind := value.Kind(); {
	case kind == reflect.Bool:
		return structpb.NewBoolValue(value.Bool()), nil
	case kind == reflect.String:
		return toValue(value.String(), depth)
	case value.CanInt():
		return structpb.NewNumberValue(float64(value.Int())), exactInt(value.Int())
	case value.CanUint():
		return structpb.NewNumberValue(float64(value.Uint())), exactUint(value.Uint())
	case value.CanFloat():
		return toValue(value.Float(), depth)
	case kind == reflect.Map && value.Type().Key().Kind() == reflect.String:
		object := make(map[string]any, value.Len())
		for members := value.MapRange(); members.Next(); {
			object[members.Key().String()] = members.Value().Interface()
		}
		return toValue(object, depth)
	case (kind == reflect.Slice || kind == reflect.Array) && value.Type().Elem().Kind() != reflect.Uint8:
		list := make([]any, value.Len())
		for i := range list {
			list[i] = value.Index(i).Interface()
		}
		return toValue(list, depth)
	}
	return nil, fmt.Errorf("%s is not JSON", value.Type())
}

func toObject(object map[string]any, depth int) (*structpb.Struct, error) {
	if depth > depthMax {
		return nil, errTooDeep
	}
	fields := make(map[string]*structpb.Value, len(object))
	for key, member := range object {
		if err := wellFormed(key); err != nil {
			return nil, within(memberStep(key), err)
		}
		value, err := toValue(member, depth)
		if err != nil {
			return nil, within(memberStep(key), err)
		}
		fields[key] = value
	}
	return &structpb.Struct{Fields: fields}, nil
}

func toList(list []any, depth int) (*structpb.ListValue, error) {
	if depth > depthMax {
		return nil, errTooDeep
	}
	values := make([]*structpb.Value, len(list))
	for i, element := range list {
		value, err := toValue(element, depth)
		if err != nil {
			return nil, within(fmt.Sprintf("[%d]", i), err)
		}
		values[i] = value
	}
	return &structpb.ListValue{Values: values}, nil
}

// fromStruct makes a document, never nil.
func fromStruct(message *structpb.Struct) map[string]any {
	object := make(map[string]any, len(message.GetFields()))
	for key, member := range message.GetFields() {
		object[key] = fromValue(member)
	}
	return object
}

func fromValue(message *structpb.Value) any {
	switch kind := message.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return kind.BoolValue
	case *structpb.Value_NumberValue:
		return kind.NumberValue
	case *structpb.Value_StringValue:
		return kind.StringValue
	case *structpb.Value_StructValue:
		return fromStruct(kind.StructValue)
	case *structpb.Value_ListValue:
		return fromList(kind.ListValue.GetValues())
	}
	return nil
}

func fromList(messages []*structpb.Value) []any {
	list := make([]any, len(messages))
	for i, message := range messages {
		list[i] = fromValue(message)
	}
	return list
}

// fault is what is wrong with a value, and where in it.
type fault struct {
	path    string
	problem error
}

func (f *fault) Error() string { return f.problem.Error() }

// within: the value at this step has the fault. nil stays nil.
func within(step string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := err.(*fault); ok {
		return &fault{step + inner.path, inner.problem}
	}
	return &fault{step, err}
}

// refused names the path in a field of a request.
func refused(field string, err error) *Error {
	if inner, ok := err.(*fault); ok {
		field += inner.path
	}
	return unsendable(field, err.Error())
}

var plainKey = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func memberStep(key string) string {
	if plainKey.MatchString(key) {
		return "." + key
	}
	return fmt.Sprintf("[%q]", key)
}

// Bits of an integer that every double has.
const mantissaBits = 53

func exactInt(number int64) error {
	magnitude := uint64(number)
	if number < 0 {
		magnitude = -magnitude
	}
	return exactUint(magnitude)
}

func exactUint(number uint64) error {
	if bits.Len64(number)-bits.TrailingZeros64(number) > mantissaBits && number != 0 {
		return errDigits
	}
	return nil
}

// exactText looks at integers alone: fractions are rounded by everyone.
func exactText(text string) error {
	number, ok := new(big.Int).SetString(text, 10)
	if ok && number.Sign() != 0 && number.BitLen()-int(number.TrailingZeroBits()) > mantissaBits {
		return errDigits
	}
	return nil
}

var errDigits = errors.New("would lose digits: numbers are doubles, larger integers belong in strings")

var errTooDeep = fmt.Errorf("nested over %d levels", depthMax)

func finite(number float64) error {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return fmt.Errorf("%v is not a number of JSON", number)
	}
	return nil
}

func wellFormed(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not valid UTF-8", text)
	}
	return nil
}
