/* Flattening source trees into evaluation programs, on the host: see eval_program.cuh. */
#include "core/status.h"
#include "kernels/cuda/eval_program.cuh"
#include "kernels/cuda/launch.cuh"

#include <string.h>

namespace
{

enum { NODES_MAX = SA_EVAL_ROOTS * SA_SOURCE_NODES_MAX };

/* A step while its group is built: operands are steps of the same group. */
struct draft_step {
    sa_eval_step step;
    int operand[SA_NODE_CHILDREN]; /* index in the group, -1: none */
    bool needs_slot;
};

struct draft_group {
    draft_step steps[SA_EVAL_STEPS];
    int count, level;
    int made[NODES_MAX]; /* node -> step, -1: not yet */
};

struct compiler {
    const sa_source *const *sources;
    draft_group groups[SA_EVAL_GROUPS];
    int group_count, step_count;
};

/* Children read at the node's own place. */
int children_here(int kind)
{
    return kind == SA_STEP_LRN_TERM ? SA_NODE_CHILDREN : sa_node_traits_of((sa_node_kind)kind)->here;
}

/* How many places a node reads its children at, besides its own. */
int places_of(const sa_node *node)
{
    const sa_window *w = &node->window;
    switch (sa_node_traits_of(node->kind)->reach) {
    case SA_REACH_NONE: break;
    case SA_REACH_CHANNELS: return node->channels_read;
    case SA_REACH_AREA: return w->kernel_h * w->kernel_w;
    case SA_REACH_WINDOWS: return ((w->kernel_h + w->stride_h - 1) / w->stride_h) * ((w->kernel_w + w->stride_w - 1) / w->stride_w);
    }
    return 0;
}

sa_status add_node(compiler *c, int group, int source, int node, int *step);

sa_status new_group(compiler *c, int level, int *group)
{
    if (level >= SA_EVAL_LEVELS)
        SA_FAIL(SA_UNSUPPORTED, "cuda: a source reads through more than %d pooling, LRN or mixing nodes in a row",
                SA_EVAL_LEVELS - 1);
    if (c->group_count == SA_EVAL_GROUPS) SA_FAIL(SA_UNSUPPORTED, "cuda: a source has more than %d groups", SA_EVAL_GROUPS);
    draft_group *g = &c->groups[c->group_count];
    g->count = 0;
    g->level = level;
    for (int i = 0; i < NODES_MAX; i++) g->made[i] = -1;
    *group = c->group_count++;
    return SA_OK;
}

sa_status add_step(compiler *c, int group, const sa_node *node, int kind, const int *operands, int inside, int *step)
{
    draft_group *g = &c->groups[group];
    if (c->step_count == SA_EVAL_STEPS) SA_FAIL(SA_UNSUPPORTED, "cuda: a source has more than %d steps", SA_EVAL_STEPS);
    draft_step *d = &g->steps[g->count];
    memset(d, 0, sizeof *d);
    sa_eval_step *s = &d->step;
    s->kind = (int8_t)kind;
    s->group = (int8_t)group;
    s->inside = (int8_t)inside;
    s->places = inside >= 0 ? places_of(node) : 0;
    s->encoding = (int8_t)node->slab.encoding;
    s->channels = node->channels, s->height = node->height, s->width = node->width;
    s->data = (const char *)node->slab.at.ptr + (node->slab.at.ptr ? node->slab.first_bytes : 0);
    s->row_pitch = sa_slab_row_pitch(&node->slab), s->plane_pitch = sa_slab_plane_pitch(&node->slab);
    s->image_pitch = sa_slab_image_pitch(&node->slab);
    s->data_height = node->slab.height, s->data_width = node->slab.width;
    s->data_image = node->slab.image_begin, s->data_channel = node->slab.channel_begin;
    s->window = node->window;
    for (int k = 0; k < SA_NODE_VECTORS; k++) s->vector[k] = (const float *)node->vector[k].ptr;
    s->spread = node->spread;
    s->channels_read = node->channels_read;
    s->number = node->number;
    for (int k = 0; k < SA_NODE_CHILDREN; k++) d->operand[k] = k < children_here(kind) ? operands[k] : -1;
    *step = g->count++;
    c->step_count++;
    return SA_OK;
}

/* The group that a node evaluates elsewhere: its first child, or for LRN_GRAD the summand made of all three. */
sa_status add_inside(compiler *c, int group, int source, const sa_node *node, int *inside)
{
    int step, operands[SA_NODE_CHILDREN];
    SA_TRY(new_group(c, c->groups[group].level + 1, inside));
    const bool terms = node->kind == SA_NODE_LRN_GRAD || node->kind == SA_NODE_PLANE_LRN_GRAD;
    if (!terms) return add_node(c, *inside, source, node->child[0], &step);
    for (int k = 0; k < SA_NODE_CHILDREN; k++) SA_TRY(add_node(c, *inside, source, node->child[k], &operands[k]));
    return add_step(c, *inside, node, SA_STEP_LRN_TERM, operands, -1, &step);
}

sa_status add_node(compiler *c, int group, int source, int node_number, int *step)
{
    const sa_source *tree = c->sources[source];
    int *made = &c->groups[group].made[source * SA_SOURCE_NODES_MAX + node_number];
    if (*made < 0) {
        const sa_node *node = &tree->node[node_number];
        int operands[SA_NODE_CHILDREN] = {-1, -1, -1}, inside = -1;
        for (int k = 0; k < children_here(node->kind); k++) SA_TRY(add_node(c, group, source, node->child[k], &operands[k]));
        if (sa_node_traits_of(node->kind)->reach != SA_REACH_NONE) SA_TRY(add_inside(c, group, source, node, &inside));
        SA_TRY(add_step(c, group, node, node->kind, operands, inside, made));
        if (inside >= 0 && !sa_node_traits_of(node->kind)->slab) { /* the plane that its windows are in */
            sa_eval_step *s = &c->groups[group].steps[*made].step;
            s->data_height = tree->node[node->child[0]].height, s->data_width = tree->node[node->child[0]].width;
        }
    }
    *step = *made;
    return SA_OK;
}

/* The value of the step before is still at hand, unless this step runs an inside group first. */
bool is_at_hand(const draft_group *g, int step, int operand)
{
    return operand == step - 1 && g->steps[step].step.inside < 0;
}

/* Copies a finished group's steps behind those of the groups before; gives a slot to each value that has to wait. */
void place_group(draft_group *g, int number, const int *roots, int root_count, sa_eval_program *program, int *used)
{
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < SA_NODE_CHILDREN; k++)
            if (g->steps[i].operand[k] >= 0 && !is_at_hand(g, i, g->steps[i].operand[k]))
                g->steps[g->steps[i].operand[k]].needs_slot = true;
    for (int r = 0; r < root_count; r++)
        if (roots[r] != g->count - 1) g->steps[roots[r]].needs_slot = true;
    program->begin[number] = (int8_t)*used;
    for (int i = 0; i < g->count; i++) {
        draft_step *d = &g->steps[i];
        d->step.store = d->needs_slot ? program->slots++ : (int8_t)SA_OPERAND_NONE;
        for (int k = 0; k < SA_NODE_CHILDREN; k++) {
            int o = d->operand[k];
            d->step.operand[k] = o < 0                 ? (int8_t)SA_OPERAND_NONE
                                 : is_at_hand(g, i, o) ? (int8_t)SA_OPERAND_LAST
                                                       : g->steps[o].step.store;
        }
        program->step[(*used)++] = d->step;
    }
    program->end[number] = (int8_t)*used;
    for (int r = 0; r < root_count; r++)
        program->root[r] = roots[r] == g->count - 1 ? (int8_t)SA_OPERAND_LAST : g->steps[roots[r]].step.store;
}

/* The step whose value an operand of step i (of group begin..) is; -1: none. */
int step_of(const sa_eval_program *program, int i, int operand)
{
    if (operand == SA_OPERAND_LAST) return i - 1;
    for (int j = 0; operand >= 0 && j < SA_EVAL_STEPS; j++)
        if (program->step[j].store == operand) return j;
    return -1;
}

uint64_t code_of(const sa_eval_program *program, int i)
{
    const sa_eval_step *s = &program->step[i];
    const sa_window *w = &s->window;
    const bool windows = s->kind == SA_NODE_UNPOOL || s->kind == SA_NODE_POOL_GRAD;
    const bool plain = w->kernel_h == w->kernel_w && w->stride_h == w->stride_w && w->pad_h == 0 && w->pad_w == 0 &&
                       w->kernel_h < SA_CODE_OTHER && w->stride_h < SA_CODE_OTHER;
    const int kernel = !windows ? 0 : plain ? w->kernel_h : (int)SA_CODE_OTHER;
    const int stride = !windows ? 0 : plain ? w->stride_h : (int)SA_CODE_OTHER;
    return sa_step_code(s->kind, windows || s->kind == SA_NODE_DENSE ? s->encoding : 0, kernel, stride, s->group, s->inside,
                        step_of(program, i, s->operand[0]), step_of(program, i, s->operand[1]), step_of(program, i, s->operand[2]));
}

} // namespace

sa_eval_signature sa_eval_signature_of(const sa_eval_program *program)
{
    sa_eval_signature signature = {};
    const int end = program->end[0];
    for (int g = 0; g < SA_EVAL_GROUPS; g++)
        signature.count = program->end[g] > signature.count ? program->end[g] : signature.count;
    for (int i = 0; i < signature.count; i++) signature.step[i] = code_of(program, i);
    signature.roots = sa_root_code(step_of(program, end, program->root[0]), step_of(program, end, program->root[1]));
    return signature;
}

sa_status sa_eval_compile(const sa_source *const *sources, int count, sa_eval_program *program)
{
    compiler c;
    int group, roots[SA_EVAL_ROOTS], used = 0;
    c.sources = sources;
    c.group_count = c.step_count = 0;
    SA_TRY(new_group(&c, 0, &group));
    for (int r = 0; r < count; r++) {
        if (sources[r]->count <= 0) SA_FAIL(SA_INVALID, "cuda: an op without its source");
        SA_TRY(add_node(&c, group, r, sources[r]->count - 1, &roots[r]));
    }
    memset(program, 0, sizeof *program);
    program->levels = 1;
    for (int g = 0; g < c.group_count; g++) {
        if (c.groups[g].level + 1 > program->levels) program->levels = (int8_t)(c.groups[g].level + 1);
        place_group(&c.groups[g], g, roots, g == 0 ? count : 0, program, &used);
    }
    for (int r = count; r < SA_EVAL_ROOTS; r++) program->root[r] = program->root[0];
    if (sa_eval_shared_bytes(program, SA_EVAL_THREADS) > SA_DYN_SHARED_MAX)
        SA_FAIL(SA_UNSUPPORTED, "cuda: a source needs %zu bytes of shared memory, %d are there",
                sa_eval_shared_bytes(program, SA_EVAL_THREADS), (int)SA_DYN_SHARED_MAX);
    return SA_OK;
}
