package chord

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
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
		return structpb.NewNumberValue(float64(value)), nil
	case string:
		return structpb.NewStringValue(value), wellFormed(value)
	case json.Number:
		number, err := value.Float64()
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
		return structpb.NewNumberValue(float64(value.Int())), nil
	case value.CanUint():
		return structpb.NewNumberValue(float64(value.Uint())), nil
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
			return nil, err
		}
		value, err := toValue(member, depth)
		if err != nil {
			return nil, err
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
			return nil, err
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
