/* The exercises of `segarena lab`: their answers are those of the lesson, and predictions are judged fairly. */
#include "cli/lab_exercises.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void answers_are_computed(void **state)
{
    (void)state;
    static const size_t ANSWER[] = {616562688, 167178240, 0, 201326592, 417595392, 0};
    static const bool IS_KNOWN[] = {true, true, false, true, true, true};
    int count = 0;
    for (; sa_lab_exercise_at(count); count++) {
        size_t bytes;
        if (sa_lab_answer(sa_lab_exercise_at(count), &bytes) != SA_OK)
            fail_msg("%s: %s", sa_lab_exercise_at(count)->title, sa_error_message());
        if (IS_KNOWN[count]) assert_int_equal(bytes, ANSWER[count]);
        else assert_true(bytes > 0 && bytes < 736695744 / 2);
    }
    assert_int_equal(count, sizeof ANSWER / sizeof ANSWER[0]);
}

static void predictions_are_judged(void **state)
{
    (void)state;
    assert_int_equal(sa_lab_judge(1000, 1000), SA_LAB_RIGHT);
    assert_int_equal(sa_lab_judge(900, 1000), SA_LAB_RIGHT);
    assert_int_equal(sa_lab_judge(1101, 1000), SA_LAB_NEAR);
    assert_int_equal(sa_lab_judge(500, 1000), SA_LAB_NEAR);
    assert_int_equal(sa_lab_judge(499, 1000), SA_LAB_WRONG);
    assert_int_equal(sa_lab_judge(0, 0), SA_LAB_RIGHT);
    assert_int_equal(sa_lab_judge(1, 0), SA_LAB_WRONG);
}

/* A question says no figure that the code does not give. */
static void questions_are_right(void **state)
{
    (void)state;
    static const sa_lab_exercise TOLD[] = {
        {.title = "fastest", .plan = {.net = "old", .strategy = "fastest"}},
        {.title = "by-image", .plan = {.net = "old", .strategy = "recomputed"}, .less = {.net = "old", .strategy = "by-image"}}};
    static const size_t FIGURE[] = {736695744, 63225600};
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        assert_int_equal(sa_lab_answer(&TOLD[i], &bytes), SA_OK);
        assert_int_equal(bytes, FIGURE[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_computed),
        cmocka_unit_test(predictions_are_judged),
        cmocka_unit_test(questions_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
