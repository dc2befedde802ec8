package sheaf

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	apiv1 "sheaf.local/sheaf/api/v1"
)

const (
	specBytesMax  = 1 << 20
	specNodesMax  = 100_000
	problemsShown = 10
)

var (
	moduleForm   = regexp.MustCompile(`^[^\n]*\.[cm]?[jt]s$`)
	integerForm  = regexp.MustCompile(`^[-+]?[0-9]+$`)
	floatForm    = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	durationForm = regexp.MustCompile(`^(\d+(\.\d+)?(ms|s|m|h|d))+$`)
	durationPart = regexp.MustCompile(`(\d+(?:\.\d+)?)(ms|s|m|h|d)`)
	units        = map[string]float64{"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
)

// ReadSpec reads a pipeline file (YAML, and so JSON), strictly: INVALID_ARGUMENT with everything that is wrong and its place,
// "pipeline.yaml:3:5: ...". A handler that names a module (".js", ".ts") is read from beside the file.
func ReadSpec(file string) (*apiv1.PipelineSpec, error) {
	text, err := readText(file, "SPEC_FILE_UNREADABLE", specBytesMax)
	if err != nil {
		return nil, err
	}
	spec, err := parseSpec(text, filepath.Base(file))
	if err == nil && moduleForm.MatchString(spec.GetTransform().GetHandler()) {
		module := spec.Transform.Handler
		if !filepath.IsAbs(module) {
			module = filepath.Join(filepath.Dir(file), module)
		}
		spec.Transform.Handler, err = readText(module, "HANDLER_UNREADABLE", specBytesMax/2)
	}
	return spec, err
}

func readText(path, reason string, limit int) (string, error) {
	bytes, err := os.ReadFile(path)
	switch {
	case err != nil:
		return "", newError(codes.InvalidArgument, reason, "cannot read %s: %v", shown(path), err)
	case len(bytes) > limit:
		return "", newError(codes.InvalidArgument, reason, "%s has more than %d bytes", shown(path), limit)
	case !utf8.Valid(bytes):
		return "", newError(codes.InvalidArgument, reason, "%s is not UTF-8", shown(path))
	}
	return string(bytes), nil
}

func parseSpec(text, name string) (*apiv1.PipelineSpec, error) {
	invalid := func(what any) error {
		return newError(codes.InvalidArgument, "SPEC_FILE_INVALID", "%s: %v", name, what)
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, invalid(err)
	}
	if len(document.Content) == 0 {
		return nil, invalid("is empty")
	}
	spec := &apiv1.PipelineSpec{}
	walk := &specWalk{name: name}
	parsed := walk.message(spec.ProtoReflect().Descriptor(), document.Content[0])
	if err := walk.err(); err != nil {
		return nil, err
	}
	packed, err := json.Marshal(parsed)
	if err == nil {
		err = protojson.Unmarshal(packed, spec)
	}
	if err != nil {
		return nil, invalid(err)
	}
	return spec, nil
}

// specWalk makes values of a file the JSON of protobuf. What is wrong is collected; then the result is not to be used.
type specWalk struct {
	name  string
	nodes int
	wrong []FieldViolation
}

func (w *specWalk) err() error {
	if len(w.wrong) == 0 {
		return nil
	}
	more := ""
	if len(w.wrong) > problemsShown {
		more = fmt.Sprintf(" (and %d more problems)", len(w.wrong)-1)
	}
	err := newError(codes.InvalidArgument, "SPEC_FILE_INVALID", "%s: %s%s", w.wrong[0].Field, w.wrong[0].Description, more)
	err.Details = w.wrong[:min(len(w.wrong), problemsShown)]
	return err
}

func (w *specWalk) message(desc protoreflect.MessageDescriptor, given *yaml.Node) any {
	node := followed(given)
	if desc.FullName() == "google.protobuf.Duration" {
		return w.duration(node)
	}
	if node.Kind != yaml.MappingNode {
		return w.refuse(node, "expected the fields of %s, found %s", desc.Name(), described(node))
	}
	found := map[string]any{}
	for _, pair := range w.pairs(node) {
		key, value := pair[0], pair[1]
		field := desc.Fields().ByName(protoreflect.Name(key.Value))
		switch {
		case field == nil:
			w.refuse(key, "unknown field %q; %s has %s", key.Value, desc.Name(), fieldNames(desc))
		case value.ShortTag() == "!!null":
			w.refuse(key, "%s has no value: give one, or leave the field out", field.Name())
		default:
			found[string(field.Name())] = w.field(field, value)
		}
	}
	return found
}

func (w *specWalk) field(field protoreflect.FieldDescriptor, node *yaml.Node) any {
	name := string(field.Name())
	switch {
	case field.IsMap():
		if node.Kind != yaml.MappingNode {
			return w.refuse(node, "%s: expected names with values, found %s", name, described(node))
		}
		found := map[string]any{}
		for _, pair := range w.pairs(node) {
			found[pair[0].Value] = w.one(field.MapValue(), pair[1], name)
		}
		return found
	case field.IsList():
		if node.Kind != yaml.SequenceNode {
			return w.refuse(node, "%s: expected a list, found %s", name, described(node))
		}
		found := []any{}
		for _, item := range node.Content {
			found = append(found, w.one(field, item, name))
		}
		return found
	}
	return w.one(field, node, name)
}

func (w *specWalk) one(field protoreflect.FieldDescriptor, given *yaml.Node, name string) any {
	node := followed(given)
	if w.nodes++; w.nodes >= specNodesMax { // aliases that unfold to more are a bomb
		if w.nodes == specNodesMax {
			w.refuse(node, "has more than %d values: that is no pipeline", specNodesMax)
		}
		return nil
	}
	if field.Message() != nil {
		return w.message(field.Message(), node)
	}
	kind := scalarKind(node)
	switch field.Kind() {
	case protoreflect.EnumKind:
		return w.enum(field.Enum(), node, name)
	case protoreflect.StringKind:
		if kind == "str" {
			return node.Value
		}
	case protoreflect.BoolKind:
		if kind == "bool" {
			return strings.EqualFold(node.Value, "true")
		}
	case protoreflect.DoubleKind:
		if kind == "int" || kind == "float" {
			number, err := strconv.ParseFloat(node.Value, 64)
			if err == nil {
				return number
			}
		}
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		if kind == "int" {
			bits := map[protoreflect.Kind]int{protoreflect.Uint32Kind: 32, protoreflect.Uint64Kind: 64}[field.Kind()]
			number, err := strconv.ParseUint(strings.TrimPrefix(node.Value, "+"), 10, bits)
			if err == nil {
				return strconv.FormatUint(number, 10)
			}
			return w.refuse(node, "%s: %s is out of range: use 0 to 2^%d - 1", name, node.Value, bits)
		}
	}
	return w.refuse(node, "%s: expected %s, found %s", name, expected(field), described(node))
}

func (w *specWalk) enum(desc protoreflect.EnumDescriptor, node *yaml.Node, name string) any {
	prefix := strings.TrimSuffix(string(desc.Values().Get(0).Name()), "UNSPECIFIED")
	var words []string
	for i := 1; i < desc.Values().Len(); i++ {
		word := strings.ToLower(strings.TrimPrefix(string(desc.Values().Get(i).Name()), prefix))
		if scalarKind(node) == "str" && node.Value == word {
			return prefix + strings.ToUpper(word)
		}
		words = append(words, word)
	}
	return w.refuse(node, "%s: %s is not known: use one of %s", name, described(node), strings.Join(words, ", "))
}

func (w *specWalk) duration(node *yaml.Node) any {
	if scalarKind(node) != "str" || !durationForm.MatchString(node.Value) {
		return w.refuse(node, `%s is not a duration: use a number with a unit, like "10s" or "1m30s"`, described(node))
	}
	seconds := 0.0
	for _, part := range durationPart.FindAllStringSubmatch(node.Value, -1) {
		number, _ := strconv.ParseFloat(part[1], 64) // its form is known
		seconds += number * units[part[2]]
	}
	return fmt.Sprintf("%.3fs", seconds)
}

func (w *specWalk) pairs(node *yaml.Node) [][2]*yaml.Node {
	seen, pairs := map[string]bool{}, [][2]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := followed(node.Content[i]), followed(node.Content[i+1])
		switch {
		case scalarKind(key) != "str":
			w.refuse(key, "expected the name of a field, found %s", described(key))
		case seen[key.Value]:
			w.refuse(key, "%q stands there twice", key.Value)
		default:
			seen[key.Value] = true
			pairs = append(pairs, [2]*yaml.Node{key, value})
		}
	}
	return pairs
}

func (w *specWalk) refuse(node *yaml.Node, format string, values ...any) any {
	place := fmt.Sprintf("%s:%d:%d", w.name, node.Line, node.Column)
	w.wrong = append(w.wrong, FieldViolation{place, fmt.Sprintf(format, values...)})
	return nil
}

func followed(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// scalarKind is what YAML 1.2 takes a scalar for; "" for what is none.
func scalarKind(node *yaml.Node) string {
	tag := strings.TrimPrefix(node.ShortTag(), "!!")
	switch {
	case node.Kind != yaml.ScalarNode:
		return ""
	case tag == "str" || tag == "bool" || tag == "null":
		return tag
	case integerForm.MatchString(node.Value):
		return "int"
	case floatForm.MatchString(node.Value):
		return "float"
	}
	return "str"
}

func fieldNames(desc protoreflect.MessageDescriptor) string {
	names := make([]string, desc.Fields().Len())
	for i := range names {
		names[i] = string(desc.Fields().Get(i).Name())
	}
	return strings.Join(names, ", ")
}

func expected(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.StringKind:
		return "text"
	case protoreflect.DoubleKind:
		return "a number"
	}
	return "a whole number"
}

func described(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "fields"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	}
	switch scalarKind(node) {
	case "null":
		return "nothing"
	case "bool":
		return node.Value
	case "str":
		runes := []rune(node.Value)
		if len(runes) > 60 {
			return fmt.Sprintf("the text %q", string(runes[:60])+"...")
		}
		return fmt.Sprintf("the text %q", node.Value)
	}
	return "the number " + node.Value
}
